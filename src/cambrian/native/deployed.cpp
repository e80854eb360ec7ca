// The C ABI of deployed potentials: members, each a sum of terms; see deployed.h.
#include "deployed.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>
#include <stdexcept>

#include "deployed_term.hpp"
#include "deployed_workspace.hpp"
#include "runtime.hpp"

using namespace cambrian;
using namespace cambrian::deployed;

namespace {

constexpr std::size_t kMostElements = 118;
constexpr int64_t kMostMembers = 1000, kMostTerms = 1000;

struct Member {
  std::vector<std::unique_ptr<Term>> terms;
};

std::vector<std::string> symbols(const std::string &text) {
  std::vector<std::string> found;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    found.push_back(text.substr(at, end - at));
    const std::string &s = found.back();
    bool right = !s.empty() && s.size() <= 2 && std::isupper(static_cast<unsigned char>(s[0]));
    for (std::size_t k = 1; k < s.size(); ++k) right = right && std::islower(static_cast<unsigned char>(s[k]));
    if (!right || (end + 1 >= text.size() && end < text.size())) throw Fault{"its list of elements is broken"};
    at = end + 1;
  }
  if (found.empty() || found.size() > kMostElements) throw Fault{"its list of elements is broken"};
  return found;
}

// The number before a dot, and what comes after it.
int64_t number_of(const std::string &name, std::string &rest, int64_t most) {
  const std::size_t dot = name.find('.');
  int64_t value = 0;
  bool right = dot != std::string::npos && dot > 0 && dot < 7;
  for (std::size_t k = 0; right && k < dot; ++k) {
    right = name[k] >= '0' && name[k] <= '9';
    value = 10 * value + (name[k] - '0');
  }
  if (!right || value >= most) throw Fault{"the name of its array " + name + " is not one"};
  rest = name.substr(dot + 1);
  return value;
}

// Arrays by member, by term: kind and arrays.
std::vector<Member> members_of(const File &file, int64_t n_species) {
  std::map<int64_t, std::map<int64_t, std::pair<std::string, Arrays>>> sorted;
  for (const auto &[name, array] : file.arrays()) {
    std::string rest, kind_and_array;
    const int64_t member = number_of(name, rest, kMostMembers), term = number_of(rest, kind_and_array, kMostTerms);
    const std::size_t dot = kind_and_array.find('.');
    if (dot == std::string::npos) throw Fault{"the name of its array " + name + " is not one"};
    const std::string kind = kind_and_array.substr(0, dot);
    const std::string prefix = std::to_string(member) + "." + std::to_string(term) + "." + kind;
    auto [at, is_new] = sorted[member].emplace(term, std::make_pair(kind, Arrays(prefix, n_species)));
    if (at->second.first != kind) throw Fault{"its term " + prefix + " has two kinds"};
    at->second.second.add(kind_and_array.substr(dot + 1), array);
  }
  std::vector<Member> members;
  for (const auto &[number, terms] : sorted) {
    if (number != int64_t(members.size())) throw Fault{"a member is missing in it"};
    members.emplace_back();
    for (const auto &[place, kind_and_arrays] : terms) {
      if (place != int64_t(members.back().terms.size())) throw Fault{"a term is missing in it"};
      members.back().terms.push_back(make_term(kind_and_arrays.first, kind_and_arrays.second));
    }
  }
  if (members.empty()) throw Fault{"there is no term in it"};
  return members;
}

void say(char *message, int64_t size, const std::string &text) {
  if (message && size > 0) std::snprintf(message, std::size_t(size), "%s", text.c_str());
}

}  // namespace

struct cambrian_deployed {
  std::vector<std::string> elements;
  std::vector<Member> members;
  std::string summary;
  double cutoff = 0;
  bool has_grade = true;
  mutable std::mutex lock;
  mutable std::vector<std::unique_ptr<Workspace>> resting;

  explicit cambrian_deployed(const char *path) {
    const File file(path);
    elements = symbols(file.metadata("elements"));
    summary = file.metadata("summary");
    members = members_of(file, int64_t(elements.size()));
    for (const Member &member : members) {
      bool graded = false;
      for (const auto &term : member.terms) {
        cutoff = term->cutoff() > cutoff ? term->cutoff() : cutoff;
        graded = graded || term->has_grade();
      }
      has_grade = has_grade && graded;
    }
  }

  std::unique_ptr<Workspace> workspace() const {
    const std::lock_guard<std::mutex> held(lock);
    if (resting.empty()) return std::make_unique<Workspace>();
    auto found = std::move(resting.back());
    resting.pop_back();
    return found;
  }

  void rest(std::unique_ptr<Workspace> workspace) const {
    const std::lock_guard<std::mutex> held(lock);
    resting.push_back(std::move(workspace));
  }
};

namespace {

// Adds what a term gives on its own edges.
int add(const Term &term, const cambrian_stars &stars, Workspace &w, double *energies, double *pull, double *grade) {
  const Edges edges = w.narrowed(stars, term.cutoff());
  if (int64_t(w.energies.size()) < stars.n_atoms) w.energies.resize(stars.n_atoms);
  if (int64_t(w.pull.size()) < 3 * edges.n_edges) w.pull.resize(3 * edges.n_edges + 3 * edges.n_edges / 8);
  double *energy = w.energies.data(), *push = w.pull.data();
  if (const int status = term.evaluate(edges, w.scratch, energy, push)) return status;
#pragma omp parallel for num_threads(n_threads()) schedule(static)
  for (int64_t i = 0; i < stars.n_atoms; ++i) {
    energies[i] += energy[i];
    for (int64_t e = edges.stars.first[i]; e < edges.stars.first[i + 1]; ++e)
      for (int c = 0; c < 3; ++c) pull[3 * w.place[e] + c] += push[3 * e + c];
  }
  if (!grade || !term.has_grade()) return 0;
  const int status = term.grade(edges, w.scratch, energy);
  for (int64_t i = 0; !status && i < stars.n_atoms; ++i) grade[i] = energy[i] > grade[i] ? energy[i] : grade[i];
  return status;
}

}  // namespace

cambrian_deployed *cambrian_deployed_open(const char *path, char *message, int64_t size) {
  const std::string name = path ? path : "";
  try {
    return new cambrian_deployed(name.c_str());
  } catch (const Fault &fault) {
    say(message, size, name + " is no potential for this plugin: " + fault.text + "; " + fault.mend);
  } catch (const std::exception &) {  // bad_alloc, length_error
    say(message, size, name + " does not fit into the memory of this machine; deploy it again with this Cambrian");
  }
  return nullptr;
}

void cambrian_deployed_close(cambrian_deployed *potential) { delete potential; }

int cambrian_deployed_n_elements(const cambrian_deployed *potential) { return int(potential->elements.size()); }

const char *cambrian_deployed_element(const cambrian_deployed *potential, int k) { return potential->elements[k].c_str(); }

double cambrian_deployed_cutoff(const cambrian_deployed *potential) { return potential->cutoff; }

int cambrian_deployed_n_members(const cambrian_deployed *potential) { return int(potential->members.size()); }

int cambrian_deployed_has_grade(const cambrian_deployed *potential) { return potential->has_grade; }

const char *cambrian_deployed_summary(const cambrian_deployed *potential) { return potential->summary.c_str(); }

int cambrian_deployed_evaluate(const cambrian_deployed *potential, int member, const cambrian_stars *stars, double *energies,
                               double *pull, double *grade, char *message, int64_t size) try {
  const int64_t n_atoms = stars->n_atoms, n_edges = stars->first[n_atoms];
  if (member < 0 || member >= int(potential->members.size())) {
    say(message, size, "the committee has no such member");
    return 3;
  }
  if (!finite(stars->r_ij, 3 * n_edges)) {
    say(message, size, "an atom is at no finite place");
    return 2;
  }
  auto workspace = potential->workspace();
  if (const char *wrong = workspace->look(*stars, int64_t(potential->elements.size()))) {
    say(message, size, wrong);
    return 3;
  }
  std::memset(energies, 0, sizeof(double) * n_atoms);
  std::memset(pull, 0, sizeof(double) * 3 * n_edges);
  if (grade) std::memset(grade, 0, sizeof(double) * n_atoms);
  for (const auto &term : potential->members[member].terms) {
    const int status = add(*term, *stars, *workspace, energies, pull, grade);
    if (!status) continue;
    const char *texts[] = {"there is not enough memory", "an atom is at no finite place", "an atom has too many neighbors"};
    say(message, size, texts[status < 4 ? status - 1 : 0]);
    return status;
  }
  potential->rest(std::move(workspace));
  return 0;
} catch (const std::exception &) {
  say(message, size, "there is not enough memory");
  return 1;
}

// A library of the same C ABI with a potential simple enough to be written twice: here, and in torch (model.py).
//
//   E_i = e_i + (1 + m/5) Σ_j c_i c_j f² + (1 - m/10) k |v_i|²      v_i = Σ_j w_j f r_ij      f = (1 - r²/rc²)³
//
// for member m; the pull of an edge is not along it. Grade: (1 + m) |v_i|.
// File: `model 1`, number of members, 0 or 1 for grades, rc, k, then `element c w e` line by line.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "deployed.h"

struct cambrian_deployed {
  int members = 0, graded = 0;
  double cutoff = 0.0, k = 0.0;
  std::vector<std::string> element;
  std::vector<double> c, w, e;
};

extern "C" {

cambrian_deployed *cambrian_deployed_open(const char *path, char *message, int64_t size) {
  std::ifstream in(path);
  auto *p = new cambrian_deployed;
  std::string word, version;
  if (in >> word >> version >> p->members >> p->graded >> p->cutoff >> p->k && word == "model" && version == "1") {
    double c, w, e;
    while (in >> word >> c >> w >> e) {
      p->element.push_back(word);
      p->c.push_back(c);
      p->w.push_back(w);
      p->e.push_back(e);
    }
    return p;
  }
  std::snprintf(message, size, "%s is broken {here}; deploy it again", path);
  delete p;
  return nullptr;
}
void cambrian_deployed_close(cambrian_deployed *p) { delete p; }
int cambrian_deployed_n_elements(const cambrian_deployed *p) { return (int) p->element.size(); }
const char *cambrian_deployed_element(const cambrian_deployed *p, int k) { return p->element[k].c_str(); }
double cambrian_deployed_cutoff(const cambrian_deployed *p) { return p->cutoff; }
int cambrian_deployed_n_members(const cambrian_deployed *p) { return p->members; }
int cambrian_deployed_has_grade(const cambrian_deployed *p) { return p->graded; }
const char *cambrian_deployed_summary(const cambrian_deployed *) { return "a model for tests"; }
const char *cambrian_native_isa(void) { return "plain"; }
void cambrian_native_set_threads(int) {}

int cambrian_deployed_evaluate(const cambrian_deployed *p, int m, const cambrian_stars *s, double *energies, double *pull,
                               double *grade, char *, int64_t) {
  for (int64_t i = 0; i < s->n_atoms; ++i) {
    const double own = p->c[s->species[i]], two = (1 + m / 5.0) * own, many = (1 - m / 10.0) * p->k;
    double v[3] = {0, 0, 0};
    energies[i] = p->e[s->species[i]];
    for (int pass = 0; pass < 2; ++pass)
      for (int64_t e = s->first[i]; e < s->first[i + 1]; ++e) {
        const double *r = s->r_ij + 3 * e;
        const double x = 1 - (r[0] * r[0] + r[1] * r[1] + r[2] * r[2]) / (p->cutoff * p->cutoff);
        if (!std::isfinite(x)) return 2;
        const int64_t other = s->species[s->neighbor[e]];
        const double f = x > 0 ? x * x * x : 0, slope = x > 0 ? -6 * x * x / (p->cutoff * p->cutoff) : 0;  // f'/r
        double along = 2 * two * p->c[other] * f;  // dE/df
        for (int a = 0; a < 3; ++a) along += 2 * many * p->w[other] * v[a] * r[a];
        if (!pass) energies[i] += two * p->c[other] * f * f;
        for (int a = 0; a < 3; ++a) {
          if (!pass) v[a] += p->w[other] * f * r[a];
          else pull[3 * e + a] = along * slope * r[a] + 2 * many * p->w[other] * f * v[a];
        }
      }
    const double square = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
    energies[i] += many * square;
    if (grade) grade[i] = (1 + m) * std::sqrt(square);
  }
  return 0;
}
}

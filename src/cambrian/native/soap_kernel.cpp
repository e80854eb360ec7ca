// SOAP in vectors, atom by atom. Compiled once per instruction set.
#include "soap_jacobian.hpp"

#define CAMBRIAN_JOIN2(a, b) a##b
#define CAMBRIAN_JOIN(a, b) CAMBRIAN_JOIN2(a, b)

namespace {

thread_local SoapMemory memory;

struct Buffers {
  SoapBuffers atom;
  JacobianBuffers jacobian;
  Buffers(const SoapPlan &p, char *start, int max_neighbors) : atom(p, start, max_neighbors), jacobian(p, atom) {}
};

void run_atom(const SoapJob &job, int64_t i, Buffers &buffers) {
  const SoapPlan &p = *job.plan;
  SoapBuffers &b = buffers.atom;
  const int64_t first = job.stars.first[i], count = job.stars.first[i + 1] - first;
  stage(p, job.stars, i, b);
  job.pull || job.jacobian ? expand<true>(p, b) : expand<false>(p, b);
  sum_neighbors(p, int(job.stars.species[i]), b, b.c);
  if (job.features) write_features(p, b, b.c, job.features + i * p.n_features);
  if (job.pull) {
    std::memset(job.pull + 3 * first, 0, sizeof(double) * 3 * count);
    job.energies[i] = gradient(p, b, b.c, job.slope + i * p.n_features);
    write_pull(p, b, job.pull);
  }
  if (job.jacobian) {
    clear_beyond(p, job.stars, i, job.jacobian);
    write_jacobian(p, b, buffers.jacobian, job.jacobian);
  }
}

}  // namespace

namespace cambrian {

int CAMBRIAN_JOIN(run_soap_, CAMBRIAN_ISA)(const SoapJob &job) {
  const int longest = most_neighbors(job.stars);
  const size_t needed = Buffers(*job.plan, nullptr, longest).atom.used;
  int failed = 0;
#pragma omp parallel num_threads(job.threads) if (job.stars.n_atoms > 1) reduction(| : failed)
  {
    failed = !memory.reserve(needed);
    Buffers buffers(*job.plan, failed ? nullptr : memory.start, longest);
#pragma omp for schedule(dynamic, 4)
    for (int64_t i = 0; i < job.stars.n_atoms; ++i)
      if (!failed) run_atom(job, i, buffers);
  }
  return failed;
}

}  // namespace cambrian

// A polynomial of moments in the order in which the kernels work: plain arrays, built once.
//
// Nodes are renumbered: moments by (species, radial, angular), then the inner products (those that others are made of).
// Final products, which only features use, have no number and no value: with weights known, they are a quadratic form
//
//     E = sum w N + sum over pairs c left right,      dE/dleft += c right,   dE/dright += c left.
#pragma once
#include <cstdint>

#include "moments.h"

namespace cambrian {

// Moments of neighbors of one kind as matrices: rows of one panel are radial functions that meet the same columns.
struct PanelRow {
  int radial, moment;  // the moment of the first column; the others follow
};
struct Panel {
  int column, n_columns;
  const PanelRow *rows;
  int n_rows;
};
struct Kind {
  const Panel *panels;
  int n_panels;
};

struct Term {
  int left, right;
  double c;
};
struct Node {  // terms[first ... last)
  int first, last;
};
struct Seed {
  int node;
  double weight;
};
struct Partner {
  int node;
  double c;
};
struct Group {  // products of `left` with partners from the last group's end to `last`
  int left, last;
};

// A weighted sum of nodes, with the products that its slopes need.
struct Program {
  const Seed *seeds;
  int n_seeds;
  const Group *groups;
  int n_groups;
  const Partner *partners;
  const int *inner;  // inner nodes that it depends on, the highest first
  int n_inner;
  const int *touched;  // all nodes that it depends on, ascending
  int n_touched, n_moments;  // the first n_moments of them are moments
};

struct MomentPlan {
  int n_species, n_kinds, n_radial, stride, pieces, family, degree, n_columns;
  int n_moments, n_nodes, n_finals, n_features;
  const double *cutoffs, *nodes;  // nodes: radial functions padded to `stride`
  const double *recursion;        // harmonics: a, b and the factor that raises m, for each l and m <= l
  const int *parent, *axis;       // monomials: column k is component axis[k] times column parent[k]
  const int *raised;              // monomials: for each column below the highest degree, x, y and z times it
  const double *count;            // monomials: the exponents of x, y and z in these
  int n_raised;
  const int *species;             // of the neighbors of each moment, or -1
  const Kind *kinds;              // for each species of neighbors, or one where no moment tells them apart
  const Node *inner, *finals;     // inner[i] is the node n_moments + i
  const Term *terms;
  const int64_t *feature_first;
  const Seed *entries;  // a node from n_nodes on is a final
  const Program *features;
};

struct PlanOwner;
MomentPlan *build_moment_plan(const cambrian_polynomial &polynomial, PlanOwner *&owner);
void free_moment_plan(PlanOwner *owner);

struct ProgramOwner;
const Program *build_programs(const PlanOwner &plan, int n_species, const double *coefficients, ProgramOwner *&owner);
void free_programs(ProgramOwner *owner);

}  // namespace cambrian

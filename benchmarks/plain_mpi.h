// The same collectives by plain MPI, on the same memory: the peer that is there anyway.
#pragma once

#include <memory>

#include "benchmarks/collective_case.h"

namespace lockstep::bench {

// All ranks of the job. Initialises MPI unless that has been done, and then finalises it too.
class PlainMpi {
 public:
  PlainMpi();
  PlainMpi(const PlainMpi&) = delete;
  PlainMpi& operator=(const PlainMpi&) = delete;
  ~PlainMpi();

  // Whether MPI has this dtype and reduction and counts that large. `mean` is its sum; the 16-bit
  // floats are moved as bytes and cannot be reduced.
  bool serves(const CollectiveCase& on) const;
  void call(const CollectiveCase& on, Placement placement, const Operands& operands);

 private:
  struct Job;
  std::unique_ptr<Job> job_;
};

}  // namespace lockstep::bench

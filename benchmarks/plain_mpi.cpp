#include "benchmarks/plain_mpi.h"

#include <mpi.h>

#include <limits>
#include <string>

#include "lockstep/base/error.h"

namespace lockstep::bench {
namespace {

void check_mpi(int code) {
  check<CommError>(code == MPI_SUCCESS, [&] {
    return Complaint{"benchmark: MPI answers with code " + std::to_string(code),
                     "look at what mpirun printed before this"};
  });
}

// MPI_DATATYPE_NULL where MPI has none.
MPI_Datatype arithmetic_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return MPI_DOUBLE;
    case DType::f32:
      return MPI_FLOAT;
    case DType::i64:
      return MPI_INT64_T;
    case DType::i32:
      return MPI_INT32_T;
    case DType::i8:
      return MPI_INT8_T;
    case DType::u8:
      return MPI_UINT8_T;
    case DType::boolean:
      return MPI_C_BOOL;
    case DType::f16:
    case DType::bf16:
      break;
  }
  return MPI_DATATYPE_NULL;
}

MPI_Datatype type_of(DType dtype) {
  return size_of(dtype) == 2 ? MPI_UINT16_T : arithmetic_type(dtype);
}

MPI_Op operator_of(const CollectiveCase& on) {
  const bool is_logical = on.dtype == DType::boolean;
  switch (on.redop) {
    case comm::Reduce::product:
      return MPI_PROD;
    case comm::Reduce::min:
      return is_logical ? MPI_LAND : MPI_MIN;
    case comm::Reduce::max:
      return is_logical ? MPI_LOR : MPI_MAX;
    case comm::Reduce::sum:
    case comm::Reduce::mean:
      break;
  }
  return MPI_SUM;
}

}  // namespace

struct PlainMpi::Job {
  MPI_Comm ranks = MPI_COMM_NULL;
  bool is_ours = false;
};

PlainMpi::PlainMpi() : job_(std::make_unique<Job>()) {
  int is_initialized = 0;
  MPI_Initialized(&is_initialized);
  job_->is_ours = is_initialized == 0;
  if (job_->is_ours) check_mpi(MPI_Init(nullptr, nullptr));
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &job_->ranks));
}

PlainMpi::~PlainMpi() {
  MPI_Comm_free(&job_->ranks);
  if (job_->is_ours) MPI_Finalize();
}

bool PlainMpi::serves(const CollectiveCase& on) const {
  int size = 0;
  MPI_Comm_size(job_->ranks, &size);
  const bool has_type = !on.is_reduction() || arithmetic_type(on.dtype) != MPI_DATATYPE_NULL;
  return size == on.ranks && has_type && on.elements <= std::numeric_limits<int>::max();
}

void PlainMpi::call(const CollectiveCase& on, Placement placement, const Operands& operands) {
  const bool is_in_place = placement == Placement::in_place;
  const bool is_root = on.rank == on.root;
  const MPI_Datatype type = type_of(on.dtype);
  const int count = static_cast<int>(on.elements);
  const int part = static_cast<int>(on.part());
  MPI_Comm ranks = job_->ranks;
  const void* in = is_in_place ? MPI_IN_PLACE : operands.in;
  void* out = operands.out;
  switch (on.op) {
    case Collective::all_reduce:
      return check_mpi(MPI_Allreduce(in, out, count, type, operator_of(on), ranks));
    case Collective::reduce:
      // Only the root's side may be in place.
      return check_mpi(MPI_Reduce(is_root ? in : operands.in, out, count, type, operator_of(on),
                                  on.root, ranks));
    case Collective::reduce_scatter:
      // In place MPI leaves the result at the front of what was given.
      return check_mpi(MPI_Reduce_scatter_block(in, is_in_place ? operands.in : out, part, type,
                                                operator_of(on), ranks));
    case Collective::all_gather:
      return check_mpi(MPI_Allgather(in, part, type, out, part, type, ranks));
    case Collective::gather:
      return check_mpi(
          MPI_Gather(is_root ? in : operands.in, part, type, out, part, type, on.root, ranks));
    case Collective::scatter:
      return check_mpi(MPI_Scatter(operands.in, part, type,
                                   is_in_place && is_root ? MPI_IN_PLACE : out, part, type, on.root,
                                   ranks));
    case Collective::all_to_all:
      return check_mpi(MPI_Alltoall(in, part, type, out, part, type, ranks));
    case Collective::broadcast:
      return check_mpi(MPI_Bcast(out, count, type, on.root, ranks));
    case Collective::send_receive:
      return check_mpi(MPI_Sendrecv(operands.in, count, type, (on.rank + 1) % on.ranks, 0, out,
                                    count, type, (on.rank + on.ranks - 1) % on.ranks, 0, ranks,
                                    MPI_STATUS_IGNORE));
    case Collective::barrier:
      return check_mpi(MPI_Barrier(ranks));
  }
}

}  // namespace lockstep::bench

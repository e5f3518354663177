#include "lockstep/autograd/shadow.h"

#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"

namespace lockstep {
namespace {

Tensor elements_of(const Shadow& shadow, const Shape& shape) {
  return {shadow.storage, 0, shape, contiguous_strides(shape), shadow.dtype};
}

void refresh(const Tensor& parameter, Shadow& shadow) {
  const std::uint64_t version = parameter.storage()->version();
  if (shadow.version == version) return;
  copy_elements(parameter, elements_of(shadow, parameter.shape()));
  shadow.storage->mark_mutated();
  shadow.version = version;
}

}  // namespace

void keep_shadow(const Tensor& parameter, DType dtype) {
  check<DTypeError>(
      parameter.dtype() == DType::f32 && (is_half_precision(dtype) || dtype == DType::f32), [&] {
        return Complaint{"keep_shadow: a shadow of " + std::string(name_of(dtype)) +
                             " for a parameter of " + std::string(name_of(parameter.dtype())),
                         "compute in f16 or bf16, from parameters of f32"};
      });
  if (dtype == DType::f32) return parameter.set_shadow({});
  const Tensor memory = empty({parameter.shape(), dtype, parameter.device()});
  auto shadow = make_shared_object<Shadow>();
  shadow->storage = memory.storage();
  shadow->dtype = dtype;
  parameter.set_shadow(std::move(shadow));
}

// A replay refreshes where the recorded pass did: what changed by then is not known now.
Tensor working_copy(const Tensor& parameter) {
  const Shared<Shadow>& shadow = parameter.shadow();
  if (!shadow) return parameter;
  const Tensor elements = parameter.detach();
  if (auto* const recorder = kernels::recorder())
    recorder->repeat([elements, shadow] { refresh(elements, *shadow); });
  {
    const kernels::Unrecorded is_repeated;
    refresh(elements, *shadow);
  }
  Tensor copy = elements_of(*shadow, parameter.shape());
  copy.set_tape(parameter.tape());
  return copy;
}

void move_shadow(const Tensor& parameter, const core::Memory& memory, std::size_t offset) {
  Shadow& shadow = *parameter.shadow();
  shadow.storage->relocate(memory, offset);
  shadow.version = Shadow::stale;
}

void declare_shadow_current(const Tensor& parameter) {
  Shadow& shadow = *parameter.shadow();
  shadow.storage->mark_mutated();
  shadow.version = parameter.storage()->version();
}

}  // namespace lockstep

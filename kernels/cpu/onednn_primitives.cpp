#include "kernels/cpu/onednn_primitives.h"

#include <string>

#include "kernels/cpu/activation.h"
#include "kernels/cpu/convert.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/relu_bf16.h"
#include "kernels/host.h"

// OpenMP's; <omp.h> is the compiler's own, which clang's tools cannot read where it is GCC's.
extern "C" void omp_set_num_threads(int);

namespace lockstep::kernels::cpu::onednn {
namespace {

dnnl::stream& stream() {
  static thread_local dnnl::stream queue(engine());
  return queue;
}

}  // namespace

const char* description() {
  static const std::string text = [] {
    const dnnl_version_t* version = dnnl_version();
    return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
           std::to_string(version->patch) +
           (multiplies_bf16() ? "" : " (unused: no bf16 instructions)");
  }();
  return text.c_str();
}

bool multiplies_bf16() {
  static const bool has_bf16 = [] {
    const auto wanted = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
    return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
  }();
  return has_bf16;
}

void use_own_threads() { omp_set_num_threads(threads()); }

dnnl::engine& engine() {
  static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

DataType type_of(DType dtype) { return dtype == DType::bf16 ? DataType::bf16 : DataType::f32; }

dnnl::memory::desc desc_of(const Shape& sizes, const Shape& strides, DType dtype) {
  return {dnnl::memory::dims(sizes.begin(), sizes.end()), type_of(dtype),
          dnnl::memory::dims(strides.begin(), strides.end())};
}

dnnl::memory memory_at(const dnnl::memory::desc& desc, const void* data) {
  return {desc, engine(), const_cast<void*>(data)};  // NOLINT: oneDNN has no constant memory
}

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

void execute(const dnnl::primitive& primitive, Arguments arguments,
             const dnnl::memory::desc& scratchpad) {
  if (scratchpad.get_size() > 0) {
    arguments.emplace(
        DNNL_ARG_SCRATCHPAD,
        memory_at(scratchpad, scratch_bytes(Scratch::library, scratchpad.get_size())));
  }
  use_own_threads();
  primitive.execute(stream(), arguments);
  stream().wait();
}

void reorder_to(const dnnl::memory& to, const dnnl::memory& from) {
  const dnnl::reorder::primitive_desc reorder(from, to, user_scratchpad());
  execute(dnnl::reorder(reorder), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}},
          reorder.scratchpad_desc());
}

dnnl::memory packed(const dnnl::memory::desc& plain, const dnnl::memory::desc& wanted,
                    const void* weights, PackedKey key, std::uint64_t primitive) {
  dnnl::memory source = memory_at(plain, weights);
  if (wanted == plain) return source;
  key.data = weights;
  key.version = key.version * 0x9e3779b97f4a7c15U + primitive;
  const PackedBlock block = packed_block(key, wanted.get_size());
  dnnl::memory target = memory_at(wanted, block.data);
  if (block.is_filled) return target;
  reorder_to(target, source);
  return target;
}

void activate_bf16(Activation activation, void* data, std::int64_t count) {
  auto* values = static_cast<bfloat16*>(data);
  if (activation == Activation::relu) return relu_bf16(values, count);
  with_activation(activation, [&]<class Op>(Op) {
    constexpr std::int64_t together = 1024;
    float wide[together];
    for (std::int64_t i = 0; i < count; i += together) {
      const std::int64_t n = std::min(together, count - i);
      load_run(values + i, 1, wide, n);
      for (std::int64_t k = 0; k < n; ++k) wide[k] = Op::value(wide[k], math::Scalars{});
      store_run(wide, values + i, 1, n);
    }
  });
}

}  // namespace lockstep::kernels::cpu::onednn

# lockstep/core/abi.h holds a hash of all headers that host and plug-in must agree on; a plug-in
# built from others is refused.
file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/lockstep/kernels/*.h)
foreach(header include/lockstep/base/dtype.h include/lockstep/base/shared.h
               include/lockstep/core/allocator.h include/lockstep/core/platform.h
               include/lockstep/core/plugin.h include/lockstep/core/shape.h
               include/lockstep/core/stream.h include/lockstep/core/view.h kernels/math/op_list.h
               src/comm/nccl_table.h)
  file(GLOB present CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${header})
  list(APPEND headers ${present})
endforeach()

set(LOCKSTEP_ABI_HEADER ${PROJECT_BINARY_DIR}/generated/lockstep/core/abi.h)
string(REPLACE ";" "," joined "${headers}")
add_custom_command(
  OUTPUT ${LOCKSTEP_ABI_HEADER}
  COMMAND ${CMAKE_COMMAND} -DHEADERS=${joined} -DOUTPUT=${LOCKSTEP_ABI_HEADER}
          -P ${PROJECT_SOURCE_DIR}/cmake/abi_hash.cmake
  DEPENDS ${headers} ${PROJECT_SOURCE_DIR}/cmake/abi_hash.cmake
  COMMENT "Hashing the backend headers" VERBATIM)
add_custom_target(lockstep_abi DEPENDS ${LOCKSTEP_ABI_HEADER})

# Sanitizers apply to everything that is built here, plug-ins included.
if(LOCKSTEP_SANITIZER STREQUAL "address")
  # vptr checks would make plug-ins refer to type information that lives in the library.
  set(flags -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined
            -fno-omit-frame-pointer)
elseif(LOCKSTEP_SANITIZER STREQUAL "thread")
  set(flags -fsanitize=thread -fno-omit-frame-pointer)
  add_compile_definitions(LOCKSTEP_PLAIN_THREADS=1)  # libgomp is not instrumented
elseif(LOCKSTEP_SANITIZER)
  message(FATAL_ERROR "LOCKSTEP_SANITIZER is '${LOCKSTEP_SANITIZER}'; give address or thread")
endif()
if(LOCKSTEP_SANITIZER)
  # Kernels with many instances take minutes each at -O2 under a sanitizer.
  add_compile_options(${flags} -O1 -g1)
  add_link_options(${flags})
endif()

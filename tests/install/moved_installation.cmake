# Installs the build to a scratch prefix, moves it, builds a foreign project against it and runs that
# on two ranks. Stops at the first command that fails.
function(must)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT status EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${text}")
  endif()
  set(text "${text}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
must(${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/installed)
file(RENAME ${SCRATCH}/installed ${SCRATCH}/moved)

set(flags "")
if(SANITIZER STREQUAL "address")
  set(flags "-fsanitize=address,undefined")
elseif(SANITIZER STREQUAL "thread")
  set(flags "-fsanitize=thread")
endif()
must(${CMAKE_COMMAND} -S ${FOREIGN} -B ${SCRATCH}/build -G ${GENERATOR}
     -DCMAKE_BUILD_TYPE=${BUILD_TYPE} -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_FLAGS=${flags}
     -DCMAKE_PREFIX_PATH=${SCRATCH}/moved -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
must(${CMAKE_COMMAND} --build ${SCRATCH}/build)
must(${UNDER_MPIRUN} ${MPIRUN} 2 ${SCRATCH}/build/foreign 2)
message("${text}")

# What runs must be the moved copy, and nothing installed may remember where it was built.
must(ldd ${SCRATCH}/build/foreign)
if(NOT text MATCHES "${SCRATCH}/moved/[^\n]*liblockstep")
  message(FATAL_ERROR "the foreign program does not load the moved library:\n${text}")
endif()
file(GLOB products ${SCRATCH}/moved/bin/* ${SCRATCH}/moved/lib*/*.so ${SCRATCH}/moved/lib*/*/*.so)
foreach(product IN LISTS products)
  must(readelf -d ${product})
  if(text MATCHES "(RPATH|RUNPATH)[^\n]*${BUILD}")
    message(FATAL_ERROR "${product} looks for libraries in the build tree:\n${text}")
  endif()
endforeach()

# Every third-party package, in one place. Targets link what they need with PRIVATE_LIBS.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
add_library(lockstep_openmp INTERFACE)
if(NOT LOCKSTEP_SANITIZER STREQUAL "thread")  # its run-time is not instrumented
  target_link_libraries(lockstep_openmp INTERFACE OpenMP::OpenMP_CXX)
endif()
find_package(MPI REQUIRED COMPONENTS C)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(xxHash REQUIRED)
find_package(ZLIB REQUIRED)

# Asked without a version: Eigen's own version file refuses newer majors.
find_package(Eigen3 REQUIRED)
if(Eigen3_VERSION VERSION_LESS 3.4)
  message(FATAL_ERROR "Eigen ${Eigen3_VERSION} is too old; install 3.4 or newer (libeigen3-dev)")
endif()

set(LOCKSTEP_HAS_ONEDNN OFF)
if(LOCKSTEP_WITH_ONEDNN STREQUAL "ON")
  find_package(OneDNN REQUIRED)
  set(LOCKSTEP_HAS_ONEDNN ON)
elseif(LOCKSTEP_WITH_ONEDNN STREQUAL "AUTO")
  find_package(OneDNN QUIET)
  set(LOCKSTEP_HAS_ONEDNN ${OneDNN_FOUND})
  if(NOT OneDNN_FOUND)
    message(STATUS "LOCKSTEP_WITH_ONEDNN: off (dnnl.h or libdnnl not found; "
                   "install libdnnl-dev for faster GEMM and convolution)")
  endif()
endif()

if(LOCKSTEP_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

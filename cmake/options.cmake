# What a user can choose. AUTO|ON|OFF options print why AUTO came out as OFF.
include(GNUInstallDirs)

option(LOCKSTEP_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(LOCKSTEP_WERROR "Treat warnings as errors" OFF)
set(LOCKSTEP_SANITIZER "" CACHE STRING "address (with undefined), thread, or empty")
set(LOCKSTEP_CPU_VARIANTS "native" CACHE STRING
    "CPU plug-ins to build, a list of: native baseline avx2 avx512")
set(LOCKSTEP_CUDA "AUTO" CACHE STRING "Build the CUDA backend: AUTO, ON or OFF")
set(LOCKSTEP_CUDA_ARCHITECTURES "80-real;90" CACHE STRING
    "GPU architectures to build for, as CMAKE_CUDA_ARCHITECTURES names them")

set(LOCKSTEP_WITH_ONEDNN "AUTO" CACHE STRING "Multiply bf16 with oneDNN: AUTO, ON or OFF")
set(LOCKSTEP_WITH_HDF5 "AUTO" CACHE STRING "Build lockstep-import-keras: AUTO, ON or OFF")

foreach(choice LOCKSTEP_CUDA LOCKSTEP_WITH_ONEDNN LOCKSTEP_WITH_HDF5)
  set_property(CACHE ${choice} PROPERTY STRINGS AUTO ON OFF)
  if(NOT ${choice} MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "${choice} is '${${choice}}'; give AUTO, ON or OFF")
  endif()
endforeach()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug or RelWithDebInfo" FORCE)
endif()

find_program(LOCKSTEP_CCACHE ccache)
mark_as_advanced(LOCKSTEP_CCACHE)
# ccache takes what a precompiled header (cmake/tests.cmake) is part of only if it is told to.
set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${LOCKSTEP_CCACHE})
foreach(language C CXX CUDA)
  if(LOCKSTEP_CCACHE AND NOT CMAKE_${language}_COMPILER_LAUNCHER)
    set(CMAKE_${language}_COMPILER_LAUNCHER ${launcher})
  endif()
endforeach()

# Test executables. Each GoogleTest case becomes one CTest test, listed when ctest starts; a test's name
# leaves its parameter's value out, which may be an address.
set(LOCKSTEP_TEST_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

# Layer tests hold the layers themselves, so plug-ins are looked for beside the test executable.
file(CREATE_LINK ../lib ${LOCKSTEP_TEST_DIRECTORY}/lockstep SYMBOLIC)

# A test is compiled far more often than it is run: in release it gets -O1, and the headers that take the
# compiler longest are read once, for all tests. They are none of ours, so no edit of ours makes them stale.
add_library(lockstep_test_settings INTERFACE)
target_compile_options(lockstep_test_settings INTERFACE $<$<CONFIG:Release>:-O1>)
target_link_libraries(lockstep_test_settings INTERFACE lockstep_settings GTest::gmock GTest::gtest_main)

# An executable like the tests: GCC takes a precompiled header only under the flags that made it.
add_executable(lockstep_test_headers ${PROJECT_BINARY_DIR}/generated/precompiled.cpp)
target_link_libraries(lockstep_test_headers PRIVATE lockstep_test_settings)
set_target_properties(lockstep_test_headers PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${LOCKSTEP_TEST_DIRECTORY})
target_precompile_headers(lockstep_test_headers PRIVATE
  <gmock/gmock.h> <gtest/gtest.h>
  <algorithm> <array> <atomic> <chrono> <cmath> <cstdint> <filesystem> <fstream> <functional> <map>
  <memory> <mutex> <numeric> <optional> <random> <span> <sstream> <string> <thread> <vector>)

# lockstep_test_library(<name> OBJECT|STATIC <source>... ) is compiled once for all tests that link it:
# OBJECT where it holds cases, STATIC where each test takes what it needs. It is compiled as an executable
# is, for the sake of the headers.
function(lockstep_test_library target kind)
  add_library(${target} ${kind} ${ARGN})
  target_link_libraries(${target} PUBLIC lockstep_test_settings)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIE)
  target_precompile_headers(${target} REUSE_FROM lockstep_test_headers)
endfunction()

function(lockstep_test_executable target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE lockstep_test_support ${arg_LIBS} lockstep_test_settings)
  target_precompile_headers(${target} REUSE_FROM lockstep_test_headers)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${LOCKSTEP_TEST_DIRECTORY})
  if(TARGET lockstep_plugins)
    add_dependencies(${target} lockstep_plugins)
  endif()
endfunction()

# lockstep_layer_tests(<layer> SOURCES x_test.cpp ... [LABEL unit|ranks|slow|...] [TIMEOUT seconds]
#   [PRIVATE_LIBS ...]) makes <layer>_tests (<layer>_<label>_tests for a label other than unit), which
# links the layer and those below it only.
function(lockstep_layer_tests layer)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "SOURCES;PRIVATE_LIBS")
  if(NOT arg_SOURCES)
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set(target ${layer}_tests)
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  elseif(NOT arg_LABEL STREQUAL "unit")
    set(target ${layer}_${arg_LABEL}_tests)
  endif()
  list(TRANSFORM LOCKSTEP_CLOSURE_${layer} PREPEND lockstep_ OUTPUT_VARIABLE layers)
  lockstep_test_executable(${target} SOURCES ${arg_SOURCES} LIBS ${layers} ${arg_PRIVATE_LIBS})
  gtest_discover_tests(${target}
    DISCOVERY_MODE PRE_TEST
    NO_PRETTY_VALUES
    DISCOVERY_TIMEOUT 60
    TEST_PREFIX ${layer}.
    WORKING_DIRECTORY ${LOCKSTEP_TEST_DIRECTORY}
    PROPERTIES LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT})
endfunction()

# lockstep_mpi_tests(<name> SOURCES x_test.cpp ... RANKS n ... [LABEL mpi|slow] [TIMEOUT seconds]
#   [PRIVATE_LIBS ...]) makes <name>_mpi_tests on the whole library and registers each case once per
# rank count, run under mpirun.
function(lockstep_mpi_tests name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "SOURCES;RANKS;PRIVATE_LIBS")
  if(NOT arg_LABEL)
    set(arg_LABEL mpi)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set(target ${name}_mpi_tests)
  lockstep_test_executable(${target} SOURCES ${arg_SOURCES} LIBS lockstep ${arg_PRIVATE_LIBS})
  foreach(ranks IN LISTS arg_RANKS)
    set_property(TARGET ${target} PROPERTY CROSSCOMPILING_EMULATOR
      ${PROJECT_SOURCE_DIR}/tests/support/under_mpirun.sh ${MPIEXEC_EXECUTABLE} ${ranks})
    gtest_discover_tests(${target}
      DISCOVERY_MODE PRE_TEST
      NO_PRETTY_VALUES
      DISCOVERY_TIMEOUT 60
      TEST_PREFIX mpi${ranks}.
      TEST_LIST ${target}_${ranks}
      WORKING_DIRECTORY ${LOCKSTEP_TEST_DIRECTORY}
      PROPERTIES LABELS ${arg_LABEL} PROCESSORS ${ranks} TIMEOUT ${arg_TIMEOUT})
  endforeach()
  set_property(TARGET ${target} PROPERTY CROSSCOMPILING_EMULATOR)
endfunction()

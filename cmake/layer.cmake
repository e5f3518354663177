# Layers: one object target each, its dependencies read from layers.txt.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/layers.txt)
file(STRINGS ${PROJECT_SOURCE_DIR}/cmake/layers.txt lines)
set(LOCKSTEP_LAYERS "")
foreach(line IN LISTS lines)
  string(REGEX MATCH "^([a-z]+):(.*)$" _ "${line}")
  set(layer ${CMAKE_MATCH_1})
  string(STRIP "${CMAKE_MATCH_2}" below)
  if(NOT below STREQUAL "(all)")
    list(APPEND LOCKSTEP_LAYERS ${layer})
    string(REPLACE " " ";" LOCKSTEP_BELOW_${layer} "${below}")
  endif()
  # What a layer needs to link: the layers it names and all that those need.
  set(LOCKSTEP_CLOSURE_${layer} ${layer})
  foreach(other IN LISTS LOCKSTEP_BELOW_${layer})
    list(APPEND LOCKSTEP_CLOSURE_${layer} ${LOCKSTEP_CLOSURE_${other}})
  endforeach()
  list(REMOVE_DUPLICATES LOCKSTEP_CLOSURE_${layer})
endforeach()

# What every target of ours is compiled with. Private headers are named by their path from the root:
# "src/comm/...", "kernels/math/...", "tests/support/...".
add_library(lockstep_settings INTERFACE)
target_include_directories(lockstep_settings INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/generated ${PROJECT_SOURCE_DIR})
target_compile_definitions(lockstep_settings INTERFACE OMPI_SKIP_MPICXX=1)
target_link_libraries(lockstep_settings INTERFACE lockstep_warnings lockstep_openmp Threads::Threads)
include(abi)

# Headers of others that nearly every source reads, compiled once. None of ours is among them, so that no
# edit makes them stale.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/precompiled.cpp CONTENT "")
add_library(lockstep_headers OBJECT ${PROJECT_BINARY_DIR}/generated/precompiled.cpp)
target_link_libraries(lockstep_headers PRIVATE lockstep_settings fmt::fmt)
target_precompile_headers(lockstep_headers PRIVATE
  <fmt/format.h>
  <algorithm> <array> <atomic> <chrono> <cmath> <cstdint> <cstring> <filesystem> <functional> <map>
  <memory> <mutex> <numeric> <optional> <span> <string> <string_view> <thread> <utility> <vector>)

# lockstep_layer(<layer> SOURCES a.cpp ... [PRIVATE_LIBS fmt::fmt ...])
function(lockstep_layer layer)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PRIVATE_LIBS")
  if(NOT arg_SOURCES)
    set(arg_SOURCES ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp)
    file(CONFIGURE OUTPUT ${arg_SOURCES} CONTENT "")
  endif()
  add_library(lockstep_${layer} OBJECT ${arg_SOURCES})
  list(TRANSFORM LOCKSTEP_BELOW_${layer} PREPEND lockstep_ OUTPUT_VARIABLE below)
  target_link_libraries(lockstep_${layer} PUBLIC ${below} PRIVATE lockstep_settings ${arg_PRIVATE_LIBS})
  target_precompile_headers(lockstep_${layer} REUSE_FROM lockstep_headers)
  add_dependencies(lockstep_${layer} lockstep_abi)
endfunction()

# lockstep_program(<name> <source>... [PRIVATE_LIBS ...]): an installed program on top of the library.
function(lockstep_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "PRIVATE_LIBS")
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE lockstep lockstep_settings ${arg_PRIVATE_LIBS})
  set_target_properties(${name} PROPERTIES INSTALL_RPATH "${LOCKSTEP_PROGRAM_RPATH}")
  add_dependencies(${name} lockstep_plugins)
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# An installation can be moved: programs and libraries find each other relative to themselves.
include(CMakePackageConfigHelpers)

file(RELATIVE_PATH up ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set(LOCKSTEP_PROGRAM_RPATH "$ORIGIN/${up}")
set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/lockstep)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/lockstep ${PROJECT_BINARY_DIR}/generated/lockstep
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT lockstep_targets NAMESPACE lockstep:: DESTINATION ${package_directory})

configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/lockstepConfig.cmake.in ${PROJECT_BINARY_DIR}/lockstepConfig.cmake
  INSTALL_DESTINATION ${package_directory}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/lockstepConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lockstepConfig.cmake
              ${PROJECT_BINARY_DIR}/lockstepConfigVersion.cmake
        DESTINATION ${package_directory})

# Finds oneDNN 2.x or 3.x and defines OneDNN::dnnl. The package's own CMake files ask for OpenCL on
# some distributions, so this looks for the header and the library alone.
find_path(ONEDNN_INCLUDE_DIR dnnl.h)
find_library(ONEDNN_LIBRARY dnnl)
mark_as_advanced(ONEDNN_INCLUDE_DIR ONEDNN_LIBRARY)

if(ONEDNN_INCLUDE_DIR)
  find_file(ONEDNN_VERSION_HEADER NAMES oneapi/dnnl/dnnl_version.h dnnl_version.h
            PATHS ${ONEDNN_INCLUDE_DIR} NO_DEFAULT_PATH)
  mark_as_advanced(ONEDNN_VERSION_HEADER)
  if(ONEDNN_VERSION_HEADER)
    file(READ ${ONEDNN_VERSION_HEADER} text)
    foreach(part MAJOR MINOR PATCH)
      if(text MATCHES "#define DNNL_VERSION_${part} ([0-9]+)")
        list(APPEND numbers ${CMAKE_MATCH_1})
      endif()
    endforeach()
    list(JOIN numbers "." OneDNN_VERSION)
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OneDNN REQUIRED_VARS ONEDNN_LIBRARY ONEDNN_INCLUDE_DIR
                                  VERSION_VAR OneDNN_VERSION)

if(OneDNN_FOUND AND NOT TARGET OneDNN::dnnl)
  add_library(OneDNN::dnnl UNKNOWN IMPORTED)
  set_target_properties(OneDNN::dnnl PROPERTIES
    IMPORTED_LOCATION ${ONEDNN_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${ONEDNN_INCLUDE_DIR})
endif()

add_library(lockstep_warnings INTERFACE)
target_compile_options(lockstep_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Wno-missing-field-initializers  # designated initialisers leave the rest at their defaults
  # GCC 12 warns of plain strings (GCC bugs 105329 and 105651), where they come from a precompiled header.
  -Wno-restrict -Wno-stringop-overread -Wno-stringop-overflow)
if(LOCKSTEP_WERROR)
  target_compile_options(lockstep_warnings INTERFACE -Werror)
endif()

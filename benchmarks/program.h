// The frame of a benchmark program: its flags, and then its ranks.
#pragma once

#include <string>

#include "lockstep/comm/world.h"
#include "src/programs/command_line.h"

namespace lockstep::bench {

inline void add_json_flag(programs::CommandLine& line, std::string& file) {
  line.add({.name = "--json",
            .meaning = "write the figures in Google Benchmark's schema",
            .value = "FILE"},
           file);
}

// Calls run(settings, world) on every rank with what the command line says; the exit code.
template <class Settings>
int run_program(int argc, char** argv, programs::CommandLine line,
                void (*add_flags)(programs::CommandLine&, Settings&),
                void (*run)(const Settings&, World&)) {
  Settings settings;
  add_flags(line, settings);
  if (const auto code = line.parse(argc, argv)) return *code;
  return lockstep::run(argc, argv, [&](World& world) { run(settings, world); });
}

}  // namespace lockstep::bench

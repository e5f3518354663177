// The command line that every program shares: flags, --help, --version, and what is said about
// mistakes.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::programs {

// What a flag is called and takes. Its default is the value of the variable that it is bound to.
struct Flag {
  std::string name;              // "--steps"
  std::string meaning;           // "steps that are timed"
  std::string value = {};        // what --help calls its value; "N", "X" or "TEXT" where empty
  std::string environment = {};  // the LOCKSTEP_* variable that counts where the flag is absent
  std::string fallback = {};     // what --help shows as default in place of the variable's value
  double low = -std::numeric_limits<double>::infinity();  // of numbers
  double high = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices = {};  // of texts; empty: any
};

// A flag counts before the environment, the environment before the default. Under mpirun rank 0
// alone prints.
class CommandLine {
 public:
  CommandLine(std::string program, std::string purpose);

  // Variables must outlive parse(). A bool is a switch that takes no value.
  void add(Flag flag, bool& variable);
  void add(Flag flag, int& variable);
  void add(Flag flag, std::int64_t& variable);
  void add(Flag flag, double& variable);
  void add(Flag flag, std::string& variable);
  // A number of bytes: a whole number, or one with the suffix K, M or G (powers of 1024).
  void add_bytes(Flag flag, std::int64_t& variable);
  // An argument without a flag, which must be given; the first such one is added first.
  void add_operand(const std::string& name, const std::string& meaning, std::string& variable);

  // Fills the variables. Where the program must end instead, the exit code: 0 after --help or
  // --version, 2 after a mistake (unknown flag, bad value, unknown LOCKSTEP_* variable), which has
  // been reported on stderr.
  std::optional<int> parse(int argc, char** argv);

 private:
  struct Entry {
    Flag flag;
    std::function<void(const std::string& text, const std::string& source)> assign;
    bool is_switch = false;
    bool is_operand = false;
  };
  template <class Number> void add_number(Flag flag, Number& variable, const char* kind);
  std::optional<int> read(int argc, char** argv);
  static void assign(const Entry& entry, const std::string& text, bool is_given);

  std::string program_;
  std::string purpose_;
  std::vector<Entry> entries_;
};

// "64K" as 65536: a whole number, or one with the suffix K, M or G; nothing for any other text.
std::optional<std::int64_t> bytes_of(std::string_view text);

// The rank that the launcher (mpirun, srun --mpi) gave this process, before it joins the job; 0 for
// a plain process.
int launched_rank();

}  // namespace lockstep::programs

#include "src/programs/command_line.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <deque>

#include "lockstep/base/config.h"
#include "lockstep/base/error.h"
#include "lockstep/obs/log.h"
#include "lockstep/version.h"

namespace lockstep::programs {
namespace {

constexpr int usage_exit_code = 2;

// A mistake of the user: what, where and fix as in Error, but the place is not in our sources.
struct Mistake {
  std::string what;
  std::string where;
  std::string fix;
};

bool is_flag(const std::string& source) { return source.starts_with('-'); }

// "--steps 0" or "LOCKSTEP_THREADS=x", and where it stands.
std::string assignment(const std::string& source, const std::string& text) {
  return source + (is_flag(source) ? " " : "=") + text;
}
std::string place(const std::string& source) {
  return is_flag(source) ? "command line" : "environment";
}

std::string range_text(const Flag& flag) {
  const bool has_low = flag.low > -std::numeric_limits<double>::infinity();
  const bool has_high = flag.high < std::numeric_limits<double>::infinity();
  if (has_low && has_high) return fmt::format(" from {:.15g} to {:.15g}", flag.low, flag.high);
  if (has_low) return fmt::format(" of at least {:.15g}", flag.low);
  if (has_high) return fmt::format(" of at most {:.15g}", flag.high);
  return "";
}

constexpr std::string_view byte_suffixes = "KMG";

// "64K" for 65536.
std::string bytes_text(std::int64_t bytes) {
  std::size_t power = 0;
  for (; power < byte_suffixes.size() && bytes != 0 && bytes % 1024 == 0; ++power) bytes /= 1024;
  return std::to_string(bytes) +
         (power == 0 ? std::string() : std::string(1, byte_suffixes[power - 1]));
}

std::string described(const Flag& flag) {
  return flag.fallback.empty() ? flag.meaning : fmt::format("{} [{}]", flag.meaning, flag.fallback);
}

Mistake unknown_argument(const std::string& program, const std::string& argument,
                         std::vector<std::string_view> known) {
  const std::string help = program + " --help lists the flags";
  if (!is_flag(argument)) {
    return {fmt::format("unexpected argument \"{}\"", argument), "command line", help};
  }
  known.insert(known.end(), {"--help", "--version"});
  const std::string name = argument.substr(0, argument.find('='));
  const std::string_view near = nearest(name, known);
  return {"unknown flag " + name, "command line",
          near.empty() ? help : fmt::format("did you mean {}? {}", near, help)};
}

void parse_or_throw(CLI::App& app, int argc, char** argv) {
  const std::string fix = app.get_name() + " --help shows how each flag is used";
  try {
    app.parse(argc, argv);
  } catch (const CLI::ArgumentMismatch& failure) {
    const std::string text = failure.what();  // "--steps: 1 required N missing"
    throw Mistake{text.substr(0, text.find(':')) + " needs a value", "command line", fix};
  } catch (const CLI::ParseError& failure) {
    throw Mistake{failure.what(), "command line", fix};
  }
}

std::string footer() {
  std::string text = "Environment:\n";
  for (const Setting& setting : settings()) {
    text += fmt::format("  {:<31} {} [{}]\n", setting.name, setting.meaning, setting.fallback);
  }
  return text +
         "\nExit codes: 0 done; 1 failure at run time; 2 wrong usage; 3 data or configuration;\n"
         "4 a collective's deadline or a dead peer; 75 stopped by SIGUSR1 and saved.";
}

}  // namespace

std::optional<std::int64_t> bytes_of(std::string_view text) {
  const std::size_t power = text.empty() ? std::string_view::npos : byte_suffixes.find(text.back());
  if (power != std::string_view::npos) text.remove_suffix(1);
  std::int64_t value = 0;
  const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  const std::int64_t unit =
      power == std::string_view::npos ? 1 : std::int64_t{1} << (10 * (power + 1));
  if (value > std::numeric_limits<std::int64_t>::max() / unit) return std::nullopt;
  return value * unit;
}

int launched_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}) {
    if (const char* text = std::getenv(name)) return std::atoi(text);
  }
  return 0;
}

CommandLine::CommandLine(std::string program, std::string purpose)
    : program_(std::move(program)), purpose_(std::move(purpose)) {}

void CommandLine::add(Flag flag, bool& variable) {
  const auto assign = [&variable](const std::string&, const std::string&) { variable = true; };
  entries_.push_back({std::move(flag), assign, true});
}

template <class Number>
void CommandLine::add_number(Flag flag, Number& variable, const char* kind) {
  if (flag.fallback.empty()) flag.fallback = fmt::format("{}", variable);
  if (flag.value.empty()) flag.value = std::is_integral_v<Number> ? "N" : "X";
  const auto assign = [flag, &variable, kind](const std::string& text, const std::string& source) {
    Number value{};
    const char* end = text.data() + text.size();
    const auto [stop, status] = std::from_chars(text.data(), end, value);
    if (status != std::errc{} || stop != end || !(value >= flag.low && value <= flag.high)) {
      const std::string wanted = kind + range_text(flag);
      throw Mistake{fmt::format("{} is not {}", assignment(source, text), wanted), place(source),
                    "give " + wanted};
    }
    variable = value;
  };
  entries_.push_back({std::move(flag), assign});
}

void CommandLine::add(Flag flag, int& variable) {
  add_number(std::move(flag), variable, "a whole number");
}
void CommandLine::add(Flag flag, std::int64_t& variable) {
  add_number(std::move(flag), variable, "a whole number");
}
void CommandLine::add(Flag flag, double& variable) {
  add_number(std::move(flag), variable, "a number");
}

void CommandLine::add(Flag flag, std::string& variable) {
  if (flag.fallback.empty()) flag.fallback = variable;
  const std::string choices = fmt::format("{}", fmt::join(flag.choices, ", "));
  if (flag.value.empty()) flag.value = "TEXT";
  if (!flag.choices.empty()) {
    flag.value = "NAME";
    flag.meaning += ": " + choices;
  }
  const auto assign = [flag, choices, &variable](const std::string& text,
                                                 const std::string& source) {
    if (text.empty()) throw Mistake{source + " is empty", place(source), "give it a value"};
    const auto& known = flag.choices;
    if (!known.empty() && std::find(known.begin(), known.end(), text) == known.end()) {
      const std::string_view near =
          nearest(text, std::vector<std::string_view>(known.begin(), known.end()));
      const std::string hint = near.empty() ? "" : fmt::format("did you mean {}? ", near);
      throw Mistake{assignment(source, text) + " is not known", place(source),
                    hint + "give one of " + choices};
    }
    variable = text;
  };
  entries_.push_back({std::move(flag), assign});
}

void CommandLine::add_bytes(Flag flag, std::int64_t& variable) {
  if (flag.fallback.empty()) flag.fallback = bytes_text(variable);
  flag.value = "BYTES";
  const auto assign = [flag, &variable](const std::string& text, const std::string& source) {
    const auto value = bytes_of(text);
    const auto number = static_cast<double>(value.value_or(0));
    if (!value || number < flag.low || number > flag.high) {
      throw Mistake{assignment(source, text) + " is not a number of bytes" + range_text(flag),
                    place(source), "give a whole number, or one with the suffix K, M or G"};
    }
    variable = *value;
  };
  entries_.push_back({std::move(flag), assign});
}

void CommandLine::add_operand(const std::string& name, const std::string& meaning,
                              std::string& variable) {
  const auto assign = [&variable](const std::string& text, const std::string&) { variable = text; };
  entries_.push_back({{.name = name, .meaning = meaning}, assign, false, true});
}

// A flag counts before the environment.
void CommandLine::assign(const Entry& entry, const std::string& text, bool is_given) {
  if (is_given) return entry.assign(text, entry.flag.name);
  if (entry.flag.environment.empty()) return;
  const auto value = setting(entry.flag.environment);
  if (value) entry.assign(*value, entry.flag.environment);
}

std::optional<int> CommandLine::read(int argc, char** argv) {
  CLI::App app(purpose_, program_);
  app.allow_extras();
  app.set_help_flag();
  app.footer(footer);
  app.get_formatter()->column_width(34);
  app.get_formatter()->label("OPTIONS", "flags");

  std::vector<std::string> texts(entries_.size());
  std::deque<bool> is_given(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Flag& flag = entries_[i].flag;
    if (entries_[i].is_switch) {
      app.add_flag(flag.name, is_given[i], flag.meaning)->group("Flags");
    } else if (entries_[i].is_operand) {
      app.add_option(flag.name, texts[i], flag.meaning)->type_name("")->group("Arguments");
    } else {
      app.add_option(flag.name, texts[i], described(flag))
          ->type_name(flag.value)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
          ->group("Flags");
    }
  }
  bool wants_help = false;
  bool wants_version = false;
  app.add_flag("-h,--help", wants_help, "print this and exit")->group("Flags");
  app.add_flag("--version", wants_version, "print the version and exit")->group("Flags");

  parse_or_throw(app, argc, argv);
  if (wants_help || wants_version) {
    const std::string text = wants_help ? app.help() : fmt::format("{} {}\n", program_, version());
    if (launched_rank() == 0) fmt::print("{}\n", text.substr(0, text.find_last_not_of('\n') + 1));
    return 0;
  }
  if (const auto extras = app.remaining(); !extras.empty()) {
    std::vector<std::string_view> known;
    for (const Entry& entry : entries_) known.push_back(entry.flag.name);
    throw unknown_argument(program_, extras.front(), std::move(known));
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Flag& flag = entries_[i].flag;
    if (!entries_[i].is_switch) is_given[i] = app.count(flag.name) > 0;
    if (entries_[i].is_operand && !is_given[i]) {
      throw Mistake{flag.name + " is missing", "command line",
                    fmt::format("give {}; {} --help shows all", flag.meaning, program_)};
    }
    assign(entries_[i], texts[i], is_given[i]);
  }
  return std::nullopt;
}

std::optional<int> CommandLine::parse(int argc, char** argv) {
  Mistake mistake;
  try {
    if (const auto code = read(argc, argv)) return code;
    refuse_unknown_settings();
    obs::log_level();
    return std::nullopt;
  } catch (const Mistake& made) {
    mistake = made;
  } catch (const Error& failure) {
    mistake = {failure.problem(), "environment", failure.fix()};
  }
  if (launched_rank() == 0) {
    fmt::print(stderr, "{}: {}\n  where: {}\n  fix:   {}\n", program_, mistake.what, mistake.where,
               mistake.fix);
  }
  return usage_exit_code;
}

}  // namespace lockstep::programs

#include "src/parallel/checkpoint_manifest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep::parallel {
namespace {

using nlohmann::json;

constexpr const char* format = "lockstep checkpoint";
constexpr int version = 1;

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& what) {
  throw IoError({"load_checkpoint: " + file.string() + ": " + what,
                 "delete " + file.parent_path().string() + " to go on from the one before it"});
}

std::string hexadecimal(XXH64_hash_t hash) { return fmt::format("{:016x}", hash); }

std::string sum_of_text(const std::string& text) {
  return hexadecimal(XXH64(text.data(), text.size(), 0));
}

Manifest manifest_of(const json& from) {
  Manifest manifest;
  from.at("step").get_to(manifest.progress.step);
  from.at("seed").get_to(manifest.progress.seed);
  from.at("epoch").get_to(manifest.progress.epoch);
  from.at("position").get_to(manifest.progress.position);
  from.at("configuration").get_to(manifest.configuration);
  for (const auto& [name, sum] : from.at("files").items()) {
    manifest.files[name] = {sum.at("bytes").get<std::uint64_t>(),
                            sum.at("xxh64").get<std::string>()};
  }
  return manifest;
}

}  // namespace

struct RunningSum::State {
  std::unique_ptr<XXH64_state_t, decltype(&XXH64_freeState)> hash{XXH64_createState(),
                                                                  &XXH64_freeState};
  std::uint64_t bytes = 0;
};

RunningSum::RunningSum() : state_(std::make_unique<State>()) { XXH64_reset(state_->hash.get(), 0); }

RunningSum::~RunningSum() = default;

void RunningSum::add(const void* data, std::size_t bytes) {
  XXH64_update(state_->hash.get(), data, bytes);
  state_->bytes += bytes;
}

FileSum RunningSum::sum() const {
  return {state_->bytes, hexadecimal(XXH64_digest(state_->hash.get()))};
}

FileSum sum_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  RunningSum sum;
  std::vector<char> buffer(1 << 20);
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    sum.add(buffer.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (!in.eof()) refuse(file, "it cannot be read");
  return sum.sum();
}

std::string text_of(const Manifest& manifest) {
  json files = json::object();
  for (const auto& [name, sum] : manifest.files) {
    files[name] = {{"bytes", sum.bytes}, {"xxh64", sum.xxh64}};
  }
  json all = {{"format", format},
              {"version", version},
              {"step", manifest.progress.step},
              {"seed", manifest.progress.seed},
              {"epoch", manifest.progress.epoch},
              {"position", manifest.progress.position},
              {"configuration", manifest.configuration},
              {"files", files}};
  all["xxh64"] = sum_of_text(all.dump());
  return all.dump(2) + "\n";
}

Manifest manifest_from(const std::string& text, const std::filesystem::path& file) {
  try {
    json all = json::parse(text);
    if (all.at("format") != format) refuse(file, "it is no manifest of a lockstep checkpoint");
    if (all.at("version") != version) {
      throw IoError({fmt::format("load_checkpoint: {} is of version {}; this library reads {}",
                                 file.string(), all.at("version").dump(), version),
                     "use the version of lockstep that wrote it"});
    }
    const std::string sum = all.at("xxh64").get<std::string>();
    all.erase("xxh64");
    if (sum != sum_of_text(all.dump())) refuse(file, "its checksum does not fit its content");
    return manifest_of(all);
  } catch (const json::exception& error) {
    refuse(file, fmt::format("it is damaged ({})", error.what()));
  }
}

}  // namespace lockstep::parallel

// The parts of a foreign configuration, taken out with suspicion.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lockstep::programs {

// Parses JSON of any depth up to a limit. IoError for other text.
nlohmann::json parsed_json(const std::string& text, const std::string& what);

// IoError where the object lacks the text.
std::string text_of(const nlohmann::json& object, const char* key);
// IoError names `where` the member is missing.
const nlohmann::json& member(const nlohmann::json& object, const char* key,
                             const std::string& where);

}  // namespace lockstep::programs

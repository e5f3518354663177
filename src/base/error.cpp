#include "lockstep/base/error.h"

#include <string_view>

namespace lockstep {
namespace {

thread_local std::string thread_description;

std::string place(const std::string& described, std::source_location at) {
  std::string_view file = at.file_name();
  if (auto slash = file.find_last_of('/'); slash != std::string_view::npos) {
    file.remove_prefix(slash + 1);
  }
  std::string text = described.empty() ? thread_description : described;
  if (!text.empty()) text += ", ";
  text.append(file).append(":").append(std::to_string(at.line()));
  return text;
}

}  // namespace

void describe_thread(std::string where) { thread_description = std::move(where); }

Error::Error(const Complaint& complaint, std::source_location where)
    : Error(complaint, place(complaint.at, where)) {}

Error::Error(const Complaint& complaint, std::string where)
    : std::runtime_error(complaint.what + "\n  where: " + where + "\n  fix:   " + complaint.fix),
      problem_(complaint.what),
      where_(std::move(where)),
      fix_(complaint.fix) {}

}  // namespace lockstep

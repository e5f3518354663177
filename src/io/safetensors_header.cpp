#include "src/io/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "lockstep/base/error.h"
#include "lockstep/core/byte_count.h"

namespace lockstep::io {
namespace {

using nlohmann::json;
using Entry = SafetensorsFile::Entry;

constexpr const char* metadata_key = "__metadata__";

constexpr std::array<std::pair<std::string_view, DType>, 9> dtypes{{{"F64", DType::f64},
                                                                    {"F32", DType::f32},
                                                                    {"F16", DType::f16},
                                                                    {"BF16", DType::bf16},
                                                                    {"I64", DType::i64},
                                                                    {"I32", DType::i32},
                                                                    {"I8", DType::i8},
                                                                    {"U8", DType::u8},
                                                                    {"BOOL", DType::boolean}}};

std::string cut(std::string text) {
  constexpr std::size_t longest = 120;
  if (text.size() > longest) text.replace(longest, text.npos, "...");
  return text;
}

// A part of a header in a message: what is not printable is escaped, what is long is cut.
std::string shown(const json& value) {
  return cut(value.dump(-1, ' ', true, json::error_handler_t::replace));
}

// Stops a hostile header while it is parsed, before it fills the memory: names given twice, deep
// nesting, endless arrays, more names and values than 200,000 tensors need.
class Watch {
 public:
  explicit Watch(const std::filesystem::path& file) : file_(file) {}

  bool operator()(int depth, json::parse_event_t event, const json& parsed) {
    using Event = json::parse_event_t;
    if (++parts_ > most_parts) {
      refuse(file_, fmt::format("its header has more than {} names and values", most_parts));
    }
    if (event == Event::object_start || event == Event::array_start) {
      if (depth > 2) refuse(file_, "its header is nested too deeply");
      names_.emplace_back();
      values_ = 0;
    } else if (event == Event::object_end || event == Event::array_end) {
      names_.pop_back();
    } else if (event == Event::value && ++values_ > 64 && depth > 2) {
      refuse(file_, "its header has an array of more than 64 numbers");
    } else if (event == Event::key && !names_.back().insert(parsed.get<std::string>()).second) {
      refuse(file_, fmt::format("its header names {} twice", shown(parsed)));
    }
    return true;
  }

 private:
  static constexpr int most_parts = 4'000'000;

  const std::filesystem::path& file_;
  int parts_ = 0;
  std::vector<std::set<std::string>> names_;
  int values_ = 0;
};

json parsed(const std::string& text, const std::filesystem::path& file) {
  if (!text.starts_with('{')) refuse(file, "its header does not begin with {: not safetensors");
  Watch watch(file);
  try {
    return json::parse(text, [&](int depth, json::parse_event_t event, json& value) {
      return watch(depth, event, value);
    });
  } catch (const json::exception& error) {
    refuse(file, fmt::format("its header is not valid JSON ({})", cut(error.what())));
  }
}

Metadata metadata_of(const json& object, const std::filesystem::path& file) {
  Metadata metadata;
  if (!object.is_object()) refuse(file, "its __metadata__ is not an object");
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) refuse(file, fmt::format("its metadata {} is not a text", shown(key)));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

DType dtype_of_name(const json& value, const std::string& name, const std::filesystem::path& file) {
  const auto* const found = std::find_if(dtypes.begin(), dtypes.end(), [&](const auto& each) {
    return value.is_string() && value.get_ref<const std::string&>() == each.first;
  });
  if (found == dtypes.end()) {
    refuse(file, fmt::format("tensor {} has dtype {}, which is not supported", shown(name),
                             shown(value)));
  }
  return found->second;
}

Shape shape_of(const json& sizes, const std::string& name, const std::filesystem::path& file) {
  if (!sizes.is_array()) refuse(file, fmt::format("tensor {}: its shape is no array", shown(name)));
  if (sizes.size() > max_rank) {
    refuse(file,
           fmt::format("tensor {} has {} axes, more than {}", shown(name), sizes.size(), max_rank));
  }
  Shape shape;
  for (const json& size : sizes) {
    if (!size.is_number_unsigned() || size.get<std::uint64_t>() >> 62 != 0) {
      refuse(file, fmt::format("tensor {}: {} is not a size", shown(name), shown(size)));
    }
    shape.append(size.get<std::int64_t>());
  }
  return shape;
}

std::uint64_t bytes_of(const Entry& entry, const std::filesystem::path& file) {
  const auto bytes = core::byte_count(entry.shape, entry.dtype);
  if (!bytes) {
    refuse(file, fmt::format("tensor {} of shape {} is larger than any memory", shown(entry.name),
                             to_string(entry.shape)));
  }
  return *bytes;
}

Entry entry_of(const std::string& name, const json& value, const std::filesystem::path& file) {
  const bool is_complete = value.is_object() && value.size() == 3 && value.contains("dtype") &&
                           value.contains("shape") && value.contains("data_offsets");
  if (!is_complete) {
    refuse(file,
           fmt::format("tensor {} needs dtype, shape and data_offsets, nothing else", shown(name)));
  }
  Entry entry{name, dtype_of_name(value["dtype"], name, file), shape_of(value["shape"], name, file),
              0, 0};
  const json& offsets = value["data_offsets"];
  const bool are_offsets = offsets.is_array() && offsets.size() == 2 &&
                           offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned();
  if (!are_offsets || offsets[1].get<std::uint64_t>() < offsets[0].get<std::uint64_t>()) {
    refuse(file, fmt::format("tensor {}: {} are no offsets", shown(name), shown(offsets)));
  }
  entry.begin = offsets[0].get<std::uint64_t>();
  entry.bytes = offsets[1].get<std::uint64_t>() - entry.begin;
  if (const std::uint64_t needed = bytes_of(entry, file); needed != entry.bytes) {
    refuse(file,
           fmt::format("tensor {}, {} {}, needs {} bytes, but its offsets hold {}", shown(name),
                       name_of(entry.dtype), to_string(entry.shape), needed, entry.bytes));
  }
  return entry;
}

void check_cover(const std::vector<Entry>& entries, std::uint64_t payload,
                 const std::filesystem::path& file) {
  std::uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end) {
      refuse(file, fmt::format("tensor {} begins at byte {}, {} {}", shown(entry.name), entry.begin,
                               entry.begin < end ? "within the tensor before it, which ends at"
                                                 : "after a gap from",
                               end));
    }
    end += entry.bytes;  // cannot overflow: begin == end, and begin + bytes was read as one number
  }
  if (end > payload) {
    refuse(file, fmt::format("its header describes {} bytes of tensors, it holds {}: truncated",
                             end, payload));
  }
  if (end < payload) {
    refuse(file, fmt::format("{} bytes follow its last tensor", payload - end));
  }
}

}  // namespace

void refuse(const std::filesystem::path& file, const std::string& what) {
  throw IoError({"safetensors: " + file.string() + ": " + what,
                 "write or copy the file again; it is not what its header says"});
}

SafetensorsHeader parse_header(const std::string& text, std::uint64_t payload,
                               const std::filesystem::path& file) {
  const json object = parsed(text, file);
  SafetensorsHeader header;
  for (const auto& [key, value] : object.items()) {
    if (key == metadata_key) {
      header.metadata = metadata_of(value, file);
    } else {
      header.entries.push_back(entry_of(key, value, file));
    }
  }
  std::sort(header.entries.begin(), header.entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.bytes, a.name) < std::tie(b.begin, b.bytes, b.name);
  });
  check_cover(header.entries, payload, file);
  return header;
}

std::string header_of(const State& in_file_order, const Metadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[metadata_key] = metadata;
  std::set<std::string> names{metadata_key};
  std::uint64_t end = 0;
  for (const auto& [name, x] : in_file_order) {
    check<UsageError>(names.insert(name).second, [&, &given = name] {
      return Complaint{"save_safetensors: the name \"" + given + "\" is taken",
                       "give every tensor a name of its own, other than __metadata__"};
    });
    const std::uint64_t begin = end;
    end += static_cast<std::uint64_t>(x.elements()) * size_of(x.dtype());
    header[name] = {{"dtype", dtypes[static_cast<std::size_t>(x.dtype())].first},
                    {"shape", std::vector<std::int64_t>(x.shape().begin(), x.shape().end())},
                    {"data_offsets", {begin, end}}};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception& error) {
    throw UsageError({fmt::format("save_safetensors: a name is not UTF-8 ({})", error.what()),
                      "use names and metadata in UTF-8"});
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace lockstep::io

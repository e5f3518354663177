#include "lockstep/obs/metrics.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>

#include "lockstep/base/error.h"
#include "src/obs/file.h"

namespace lockstep::obs {
namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

// The first line of a file without its end; and what lies before the end of the last whole line.
std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }
std::size_t whole_lines(std::string_view text) {
  const auto end = text.rfind('\n');
  return end == std::string_view::npos ? 0 : end + 1;
}

// A name that can stand in a CSV header and a JSON key as it is.
bool is_plain(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c != ',' && c != '"' && c != '\\' && c != '\x7f';
  });
}

// Opens for appending and cuts a half-written last line off.
FileDescriptor open_for_rows(const std::filesystem::path& path, MetricsMode mode) {
  if (mode == MetricsMode::replace) return open_file(path, O_WRONLY | O_TRUNC | O_APPEND);
  FileDescriptor file = open_file(path, O_WRONLY | O_APPEND);
  const std::string text = read_text(path);
  if (whole_lines(text) < text.size()) {
    std::filesystem::resize_file(path, whole_lines(text));
  }
  return file;
}

std::string csv_row(std::span<const double> values, std::span<const bool> is_given) {
  std::string line;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) line += ',';
    if (is_given[i]) line += fmt::format("{}", values[i]);
  }
  return line + '\n';
}

std::string json_row(std::span<const std::string> columns, std::span<const double> values,
                     std::span<const bool> is_given) {
  std::string line;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!is_given[i]) continue;
    line += fmt::format("{}\"{}\": ", line.empty() ? "{" : ", ", columns[i]);
    line += std::isfinite(values[i]) ? fmt::format("{}", values[i]) : "null";  // JSON has no NaN
  }
  return (line.empty() ? "{" : line) + "}\n";
}

double cell(std::string_view text, const std::filesystem::path& path, std::size_t line) {
  if (text.empty()) return missing;
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  check<IoError>(status == std::errc{} && end == text.data() + text.size(), [&] {
    return Complaint{
        fmt::format("read_metrics: {}:{}: \"{}\" is not a number", path.string(), line, text),
        "mend that line or remove the file"};
  });
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

}  // namespace

MetricsWriter::MetricsWriter(const std::filesystem::path& folder, std::vector<std::string> columns,
                             MetricsMode mode)
    : columns_(std::move(columns)), csv_(folder / "metrics.csv"), jsonl_(folder / "metrics.jsonl") {
  for (const std::string& name : columns_) {
    check<UsageError>(
        is_plain(name) && std::count(columns_.begin(), columns_.end(), name) == 1, [&] {
          return Complaint{
              fmt::format("MetricsWriter: \"{}\" cannot be a column", name),
              "give each column its own name, without spaces, commas, quotes, backslashes"};
        });
  }
  FileDescriptor csv = open_for_rows(csv_, mode);
  FileDescriptor jsonl = open_for_rows(jsonl_, mode);
  const std::string header = fmt::format("{}", fmt::join(columns_, ","));
  const std::string present = read_text(csv_);
  check<IoError>(present.empty() || first_line(present) == header, [&] {
    return Complaint{fmt::format("MetricsWriter: {} has the columns {}, this run writes {}",
                                 csv_.string(), first_line(present), header),
                     "choose another folder, or remove that file"};
  });
  if (present.empty()) write_all(csv.value(), header + '\n', csv_);
  csv_file_ = csv.release();
  jsonl_file_ = jsonl.release();
}

MetricsWriter::~MetricsWriter() {
  ::close(csv_file_);
  ::close(jsonl_file_);
}

void MetricsWriter::write(std::span<const Metric> row) {
  std::vector<double> values(columns_.size(), missing);
  const auto is_given = std::make_unique<bool[]>(columns_.size());
  for (const Metric& metric : row) {
    const auto at = std::find(columns_.begin(), columns_.end(), metric.name);
    check<UsageError>(at != columns_.end(), [&] {
      return Complaint{fmt::format("MetricsWriter::write: no column \"{}\"", metric.name),
                       fmt::format("use one of {}", fmt::join(columns_, ", "))};
    });
    const auto index = static_cast<std::size_t>(at - columns_.begin());
    values[index] = metric.value;
    is_given[index] = true;
  }
  const std::span<const bool> given(is_given.get(), columns_.size());
  write_all(csv_file_, csv_row(values, given), csv_);
  write_all(jsonl_file_, json_row(columns_, values, given), jsonl_);
}

std::vector<double> MetricsTable::column(std::string_view name) const {
  const auto at = std::find(columns.begin(), columns.end(), name);
  check<UsageError>(at != columns.end(), [&] {
    return Complaint{fmt::format("MetricsTable::column: no column \"{}\"", name),
                     fmt::format("use one of {}", fmt::join(columns, ", "))};
  });
  std::vector<double> values;
  for (const auto& row : rows)
    values.push_back(row[static_cast<std::size_t>(at - columns.begin())]);
  return values;
}

MetricsTable read_metrics(const std::filesystem::path& csv) {
  std::string text = read_text(csv);
  text.resize(whole_lines(text));
  MetricsTable table;
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (line.empty()) continue;
    const auto cells = split(line, ',');
    if (number == 1) {
      table.columns.assign(cells.begin(), cells.end());
      continue;
    }
    check<IoError>(cells.size() == table.columns.size(), [&] {
      return Complaint{fmt::format("read_metrics: {}:{}: {} cells, but {} columns", csv.string(),
                                   number, cells.size(), table.columns.size()),
                       "mend that line or remove the file"};
    });
    auto& row = table.rows.emplace_back();
    for (const auto each : cells) row.push_back(cell(each, csv, number));
  }
  return table;
}

}  // namespace lockstep::obs

// Rows of named numbers, appended to metrics.csv and metrics.jsonl as they come.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::obs {

struct Metric {
  template <class Number>
  Metric(std::string_view column, Number number)
      : name(column), value(static_cast<double>(number)) {}

  std::string_view name;
  double value;
};

enum class MetricsMode : unsigned char { replace, append };

// Every row is handed to the system before write() returns. A row may lack columns: an empty cell,
// no JSON key.
class MetricsWriter {
 public:
  // Makes `folder` where needed. Appending needs the same columns in the same order and drops a
  // half-written last row. IoError where the files cannot be written.
  MetricsWriter(const std::filesystem::path& folder, std::vector<std::string> columns,
                MetricsMode mode = MetricsMode::replace);
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;
  ~MetricsWriter();

  // UsageError for a name that is not a column; IoError where the disk is full.
  void write(std::span<const Metric> row);
  void write(std::initializer_list<Metric> row) { write(std::span(row.begin(), row.size())); }

  const std::filesystem::path& csv() const { return csv_; }
  const std::filesystem::path& jsonl() const { return jsonl_; }

 private:
  std::vector<std::string> columns_;
  std::filesystem::path csv_;
  std::filesystem::path jsonl_;
  int csv_file_ = -1;
  int jsonl_file_ = -1;
};

// A metrics.csv read back; cells that were empty are NaN.
struct MetricsTable {
  std::vector<std::string> columns;
  std::vector<std::vector<double>> rows;

  // UsageError where there is no such column.
  std::vector<double> column(std::string_view name) const;
};
MetricsTable read_metrics(const std::filesystem::path& csv);

}  // namespace lockstep::obs

#include "src/train/records.h"

#include <cmath>
#include <vector>

#include "lockstep/obs/plot.h"

namespace lockstep::train {
namespace {

const std::vector<std::string> columns{
    "step",          "epoch",         "train_loss",        "test_loss",
    "test_accuracy", "learning_rate", "samples_per_second"};

std::vector<obs::Metric> cells(const Records::Row& row) {
  return {{"step", static_cast<double>(row.step)},
          {"epoch", row.epoch},
          {"train_loss", row.train_loss},
          {"learning_rate", row.learning_rate},
          {"samples_per_second", row.samples_per_second}};
}

// The rows up to a step, as they stand in the file.
std::vector<std::vector<double>> rows_until(const std::filesystem::path& csv, std::int64_t steps) {
  std::vector<std::vector<double>> kept;
  if (steps == 0 || !std::filesystem::exists(csv)) return kept;
  const obs::MetricsTable table = obs::read_metrics(csv);
  if (table.columns != columns) return kept;
  for (const auto& row : table.rows) {
    if (row[0] <= static_cast<double>(steps)) kept.push_back(row);
  }
  return kept;
}

// A column over the epochs, without the rows that lack it.
obs::Series series_of(const obs::MetricsTable& table, const std::string& name,
                      const std::string& column) {
  obs::Series series{name, {}, {}};
  const auto x = table.column("epoch");
  const auto y = table.column(column);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(y[i])) continue;
    series.x.push_back(x[i]);
    series.y.push_back(y[i]);
  }
  return series;
}

}  // namespace

bool is_better(const Score& a, const Score& b) {
  if (b.samples == 0 || std::isnan(b.loss)) return true;
  return a.accuracy != b.accuracy ? a.accuracy > b.accuracy : a.loss < b.loss;
}

Records::Records(const std::filesystem::path& folder, std::string title, std::int64_t steps)
    : folder_(folder), title_(std::move(title)) {
  if (folder_.empty()) return;
  const auto kept = rows_until(folder_ / "metrics.csv", steps);
  metrics_ = std::make_unique<obs::MetricsWriter>(folder_, columns);
  for (const auto& row : kept) {
    std::vector<obs::Metric> cells;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (!std::isnan(row[i])) cells.push_back({columns[i], row[i]});
    }
    metrics_->write(cells);
  }
}

void Records::write(const Row& row) {
  if (metrics_) metrics_->write(cells(row));
}

void Records::write(const Row& row, const Score& score) {
  if (!metrics_) return;
  auto all = cells(row);
  all.push_back({"test_loss", score.loss});
  all.push_back({"test_accuracy", score.accuracy});
  metrics_->write(all);
  draw();
}

Score Records::best_so_far() const {
  Score best;
  if (!metrics_) return best;
  const obs::MetricsTable table = obs::read_metrics(metrics_->csv());
  const auto losses = table.column("test_loss");
  const auto accuracies = table.column("test_accuracy");
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const Score score{losses[i], accuracies[i], 1};
    if (!std::isnan(score.loss) && is_better(score, best)) best = score;
  }
  return best;
}

void Records::draw() const {
  const obs::MetricsTable table = obs::read_metrics(metrics_->csv());
  obs::Figure figure{.title = title_};
  figure.panels.push_back(
      {"Loss",
       "epoch",
       "",
       {series_of(table, "training", "train_loss"), series_of(table, "test", "test_loss")}});
  figure.panels.push_back(
      {"Test accuracy", "epoch", "", {series_of(table, "test", "test_accuracy")}});
  obs::write_svg(figure, folder_ / "curves.svg");
}

}  // namespace lockstep::train

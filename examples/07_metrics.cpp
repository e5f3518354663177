// Numbers, curves and a trace of a loop of one's own: what Trainer does, piece by piece.
#include <cmath>
#include <cstdio>
#include <vector>

#include "lockstep/obs/log.h"
#include "lockstep/obs/metrics.h"
#include "lockstep/obs/plot.h"
#include "lockstep/obs/progress.h"
#include "lockstep/obs/trace.h"

using namespace lockstep;

int main() {
  const int steps = 2000;
  obs::MetricsWriter metrics("metrics_example", {"step", "loss", "accuracy"});
  obs::Progress progress(steps, {.label = "fitting", .unit = "steps"});
  for (int step = 1; step <= steps; ++step) {
    const obs::TraceScope trace("step", "fit", -1, step);
    const double loss = std::exp(-step / 500.0) + 0.1;
    progress.advance(1, loss);
    if (step % 50 == 0) metrics.write({{"step", step}, {"loss", loss}});
    if (step % 500 == 0) metrics.write({{"step", step}, {"accuracy", 1 - loss / 2}});
  }
  progress.finish();

  const obs::MetricsTable table = obs::read_metrics(metrics.csv());
  obs::Figure figure{.title = "A fit"};
  figure.panels.push_back({.title = "Loss",
                           .x_label = "step",
                           .series = {{"loss", table.column("step"), table.column("loss")}}});
  obs::write_svg(figure, "metrics_example/curves.svg");

  obs::write_trace("metrics_example/trace.json");
  obs::info("the last steps are in metrics_example/trace.json");
  return table.rows.size() == 44 ? 0 : 1;
}

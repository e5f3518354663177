#include "src/parallel/agreement.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <filesystem>

#include "lockstep/base/error.h"
#include "lockstep/core/stream.h"

namespace lockstep::parallel {
namespace {

constexpr char end_of_line = '\n';

// One line each: name, a tab, value.
std::string text_of(const std::vector<Fact>& facts) {
  std::string text;
  for (const Fact& fact : facts) text += fact.name + '\t' + fact.value + end_of_line;
  return text;
}

template <class T>
std::vector<T> gathered(comm::Communicator& ranks, std::vector<T> mine, DType dtype) {
  std::vector<T> all(mine.size() * static_cast<std::size_t>(ranks.size()));
  const core::ConstBuffer in(mine.data(), static_cast<std::int64_t>(mine.size()), dtype);
  ranks
      .all_gather(in, {all.data(), static_cast<std::int64_t>(all.size()), dtype, {}, {}},
                  core::current_stream({}))
      .wait();
  return all;
}

std::vector<std::string> gathered_texts(comm::Communicator& ranks, const std::string& mine) {
  const auto counts =
      gathered<std::int64_t>(ranks, {static_cast<std::int64_t>(mine.size())}, DType::i64);
  std::int64_t total = 0;
  for (const std::int64_t count : counts) total += count;
  std::string all(static_cast<std::size_t>(total), ' ');
  const core::ConstBuffer in(mine.data(), static_cast<std::int64_t>(mine.size()), DType::u8);
  ranks.all_gather_v(in, {all.data(), total, DType::u8, {}, {}}, counts, core::current_stream({}))
      .wait();
  std::vector<std::string> texts;
  std::size_t begin = 0;
  for (const std::int64_t count : counts) {
    texts.push_back(all.substr(begin, static_cast<std::size_t>(count)));
    begin += static_cast<std::size_t>(count);
  }
  return texts;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find(end_of_line, begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// The lowest rank whose hash most ranks have; of equally many, the one with the lowest rank.
std::size_t most_common(const std::vector<std::int64_t>& hashes) {
  std::size_t best = 0;
  const auto times = [&](std::size_t i) {
    return std::count(hashes.begin(), hashes.end(), hashes[i]);
  };
  for (std::size_t i = 1; i < hashes.size(); ++i) {
    if (times(i) > times(best)) best = i;
  }
  return best;
}

std::string shown(const std::string& line) {
  const std::size_t tab = line.find('\t');
  return line.empty() ? "nothing more" : line.substr(0, tab) + ": " + line.substr(tab + 1);
}

}  // namespace

void check_agreement(comm::Communicator& ranks, const std::vector<Fact>& facts,
                     const std::source_location& where) {
  if (ranks.size() == 1) return;
  const std::string mine = text_of(facts);
  const auto hashes = gathered<std::int64_t>(
      ranks, {static_cast<std::int64_t>(XXH64(mine.data(), mine.size(), 0))}, DType::i64);
  const std::size_t usual = most_common(hashes);
  const auto other = static_cast<std::size_t>(
      std::find_if(hashes.begin(), hashes.end(), [&](auto hash) { return hash != hashes[usual]; }) -
      hashes.begin());
  if (other == hashes.size()) return;
  const auto sites = gathered_texts(
      ranks, fmt::format("{}:{}", std::filesystem::path(where.file_name()).filename().string(),
                         where.line()));
  const auto texts = gathered_texts(ranks, mine);
  const auto expected = lines_of(texts[usual]);
  const auto found = lines_of(texts[other]);
  std::size_t line = 0;
  while (line < expected.size() && line < found.size() && expected[line] == found[line]) ++line;
  const auto at = [&](const std::vector<std::string>& lines) {
    return shown(line < lines.size() ? lines[line] : std::string());
  };
  throw UsageError(
      {fmt::format("DataParallel: the ranks disagree: rank {} ({}) has {}; rank {} ({}) has {}",
                   other, sites[other], at(found), usual, sites[usual], at(expected)),
       "give every rank the same model, optimizer, options and version of the library"},
      where);
}

}  // namespace lockstep::parallel

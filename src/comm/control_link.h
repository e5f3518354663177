// What watchdogs tell each other over TCP, and a connection that never blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/comm/shm_segment.h"

namespace lockstep::comm {

struct Frame {
  enum class Kind : std::uint8_t {
    hello,        // rank and token: the first of a connection
    status,       // where the rank is (RankStatus)
    ask,          // hub: send your status now
    question,     // who keeps a call (Question)
    answer,       // hub: in words
    suspicion,    // why a communicator of the rank was poisoned
    failure,      // the rank ends with `code`; text: why
    consequence,  // the same, because of a failure before
    verdict,      // hub: code 1 where the failure is the job's first
    end,          // hub: the job ends because of `rank`; code 1 where that has died
    goodbye       // the sender leaves as it should
  };
  static constexpr std::uint8_t kinds = 11;

  Kind kind = Kind::hello;
  std::int32_t rank = 0;
  std::int32_t code = 0;
  std::string text = {};
};

// A frame that is longer is cut.
constexpr std::size_t longest_text = 32768;
std::string encoded(const Frame& frame);

// Frames out of a stream of bytes, whoever sent them.
class FrameReader {
 public:
  void feed(std::string_view bytes);
  // Nothing while the next frame is not complete.
  std::optional<Frame> next();
  // The bytes are not frames; nothing more comes.
  bool is_broken() const { return is_broken_; }

 private:
  std::string bytes_;
  bool is_broken_ = false;
};

class ControlLink {
 public:
  ControlLink() = default;
  explicit ControlLink(FileDescriptor socket) : socket_(std::move(socket)) {}

  bool is_open() const { return static_cast<bool>(socket_); }
  int descriptor() const { return socket_.value(); }
  bool has_unsent() const { return !unsent_.empty(); }

  // Whoever does not read a mebibyte is cut off.
  void send(const Frame& frame);
  void flush();
  // What has come. Closes where the other side has.
  std::vector<Frame> receive();
  void close() { socket_.reset(); }

 private:
  FileDescriptor socket_;
  FrameReader reader_;
  std::string unsent_;
};

}  // namespace lockstep::comm

#include "src/comm/control_link.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace lockstep::comm {
namespace {

struct Head {
  std::uint32_t magic = 0;
  std::uint32_t length = 0;
  std::int32_t rank = 0;
  std::int32_t code = 0;
  std::uint32_t kind = 0;
};
constexpr std::uint32_t magic = 0x6c6f636b;
constexpr std::size_t most_unsent = std::size_t{1} << 20;

}  // namespace

std::string encoded(const Frame& frame) {
  const std::size_t length = std::min(frame.text.size(), longest_text);
  const Head head{magic, static_cast<std::uint32_t>(length), frame.rank, frame.code,
                  static_cast<std::uint32_t>(frame.kind)};
  std::string bytes(sizeof head, '\0');
  std::memcpy(bytes.data(), &head, sizeof head);
  return bytes.append(frame.text, 0, length);
}

void FrameReader::feed(std::string_view bytes) {
  if (!is_broken_) bytes_.append(bytes);
}

std::optional<Frame> FrameReader::next() {
  Head head;
  if (is_broken_ || bytes_.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, bytes_.data(), sizeof head);
  if (head.magic != magic || head.length > longest_text || head.kind >= Frame::kinds) {
    is_broken_ = true;
    bytes_.clear();
    return std::nullopt;
  }
  if (bytes_.size() < sizeof head + head.length) return std::nullopt;
  Frame frame{static_cast<Frame::Kind>(head.kind), head.rank, head.code,
              bytes_.substr(sizeof head, head.length)};
  bytes_.erase(0, sizeof head + head.length);
  return frame;
}

void ControlLink::send(const Frame& frame) {
  if (!is_open()) return;
  unsent_ += encoded(frame);
  flush();
  if (unsent_.size() > most_unsent) close();
}

void ControlLink::flush() {
  while (is_open() && !unsent_.empty()) {
    const ssize_t sent = ::send(socket_.value(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      unsent_.erase(0, static_cast<std::size_t>(sent));
    } else if (errno == EINTR) {
      continue;
    } else {
      // Whether the other side is gone shows when receiving, after what it has said before.
      if (errno != EAGAIN && errno != ENOTCONN) unsent_.clear();
      return;
    }
  }
}

std::vector<Frame> ControlLink::receive() {
  std::vector<Frame> frames;
  std::array<char, 4096> bytes{};
  while (is_open()) {
    const ssize_t got = ::recv(socket_.value(), bytes.data(), bytes.size(), 0);
    if (got > 0) {
      reader_.feed({bytes.data(), static_cast<std::size_t>(got)});
      while (auto frame = reader_.next()) frames.push_back(std::move(*frame));
      if (reader_.is_broken()) close();
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else if (got < 0 && errno == EAGAIN) {
      break;
    } else {
      close();
    }
  }
  return frames;
}

}  // namespace lockstep::comm

#include "src/comm/control_link.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <random>

namespace lockstep::comm {
namespace {

Frame frame(Frame::Kind kind, int rank, std::string text) {
  return {kind, rank, 7, std::move(text)};
}

TEST(FrameReader, GivesFramesBackHoweverTheirBytesArrive) {
  const std::string bytes = encoded(frame(Frame::Kind::hello, 3, "token")) +
                            encoded(frame(Frame::Kind::failure, 2, std::string(1000, 'x')));
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, bytes.size()}) {
    FrameReader reader;
    std::vector<Frame> frames;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      reader.feed(std::string_view(bytes).substr(at, step));
      while (auto next = reader.next()) frames.push_back(*next);
    }
    ASSERT_EQ(frames.size(), 2U);
    EXPECT_EQ(frames[0].kind, Frame::Kind::hello);
    EXPECT_EQ(frames[0].rank, 3);
    EXPECT_EQ(frames[0].text, "token");
    EXPECT_EQ(frames[1].code, 7);
    EXPECT_EQ(frames[1].text.size(), 1000U);
  }
}

TEST(FrameReader, TakesNothingFromBytesThatAreNoFrames) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    // Half of them begin as a frame does, so that its fields are read too.
    std::string bytes = i % 2 == 0 ? "" : encoded(frame(Frame::Kind::hello, 0, "")).substr(0, 4);
    for (int k = 0; k < 64; ++k) bytes += static_cast<char>(random());
    FrameReader reader;
    reader.feed(bytes);
    while (const auto next = reader.next()) EXPECT_LE(next->text.size(), longest_text);
  }
  FrameReader reader;
  reader.feed("GET / HTTP/1.1\r\nHost: rank0\r\n\r\n");
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.is_broken());
}

TEST(FrameReader, ALongTextIsCut) {
  FrameReader reader;
  reader.feed(encoded(frame(Frame::Kind::answer, 0, std::string(longest_text + 5, 'x'))));
  EXPECT_EQ(reader.next()->text.size(), longest_text);
}

TEST(ControlLink, SaysWhatItHeardBeforeTheOtherSideWent) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  ControlLink a{FileDescriptor(ends[0])};
  ControlLink b{FileDescriptor(ends[1])};
  a.send(frame(Frame::Kind::goodbye, 1, ""));
  a.close();
  const auto heard = b.receive();
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard[0].kind, Frame::Kind::goodbye);
  EXPECT_FALSE(b.is_open());
}

TEST(ControlLink, CutsOffWhoeverDoesNotRead) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  ControlLink a{FileDescriptor(ends[0])};
  ControlLink silent{FileDescriptor(ends[1])};
  for (int i = 0; i < 1000 && a.is_open(); ++i)
    a.send(frame(Frame::Kind::answer, 0, std::string(longest_text, 'x')));
  EXPECT_FALSE(a.is_open());
}

}  // namespace
}  // namespace lockstep::comm

// A collective as a state machine over messages: what finishes decides what is sent next.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "lockstep/comm/work.h"
#include "src/comm/messages.h"

namespace lockstep::comm {

class Exchange : public Work::State {
 public:
  bool advance() final;

 protected:
  Exchange(int rank, int size, std::unique_ptr<Messages> messages)
      : rank_(rank), size_(size), messages_(std::move(messages)) {}

  // Posts the first messages.
  virtual void begin() = 0;
  // A message is through.
  virtual void completed(const Token& token) = 0;

  void send(int peer, std::uint64_t index, const void* data, std::size_t bytes, Token token);
  void receive(int peer, std::uint64_t index, void* data, std::size_t bytes, Token token);

  int rank() const { return rank_; }
  int size() const { return size_; }

 private:
  int rank_;
  int size_;
  std::unique_ptr<Messages> messages_;
  std::vector<Token> finished_;
  std::int64_t open_ = 0;
  bool has_begun_ = false;
};

}  // namespace lockstep::comm

// The messages of one call among ranks of one host.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "src/comm/shm_mailbox.h"

namespace lockstep::comm {

class ShmMessages final : public Messages {
 public:
  ShmMessages(std::shared_ptr<ShmMailbox> mailbox, const Channel& channel)
      : mailbox_(std::move(mailbox)), channel_(channel) {}
  ShmMessages(const ShmMessages&) = delete;
  ShmMessages& operator=(const ShmMessages&) = delete;
  ~ShmMessages() override { mailbox_->forget(this); }

  void send(int peer, std::uint64_t index, const void* data, std::size_t bytes,
            Token token) override {
    mailbox_->send(peer,
                   {{channel_, index}, static_cast<const std::byte*>(data), bytes, this, token});
  }
  void receive(int peer, std::uint64_t index, void* data, std::size_t bytes, Token token) override {
    mailbox_->receive(peer, {{channel_, index}, static_cast<std::byte*>(data), bytes, this, token});
  }
  void poll(std::vector<Token>& finished) override {
    mailbox_->board().refuse_if_failed();
    mailbox_->progress();
    finished.insert(finished.end(), finished_.begin(), finished_.end());
    finished_.clear();
  }

  // The mailbox's word that a message is through.
  void finish(const Token& token) { finished_.push_back(token); }

 private:
  std::shared_ptr<ShmMailbox> mailbox_;
  Channel channel_;
  std::vector<Token> finished_;
};

}  // namespace lockstep::comm

// How the ranks of a job find rank 0's hub, and prove that they are of the job.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "src/comm/shm_segment.h"

namespace lockstep::comm {

// What rank 0 tells all others, as bytes.
struct Invitation {
  static constexpr int most_addresses = 8;

  std::uint8_t token[16] = {};
  std::uint16_t port = 0;  // as the network orders it
  std::uint16_t addresses = 0;
  in_addr_t address[most_addresses] = {};

  std::string token_text() const { return {reinterpret_cast<const char*>(token), sizeof token}; }
  sockaddr_in endpoint(std::size_t which) const;
};

// The socket that the invitation leads to: by loopback where all ranks are on one host, else by any
// address of this one. An invitation without addresses where there is none to be had.
FileDescriptor open_house(bool is_one_host, Invitation& invitation);

}  // namespace lockstep::comm

#include "src/comm/invitation.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <cstring>

namespace lockstep::comm {
namespace {

sockaddr_in endpoint_at(in_addr_t address, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = address;
  at.sin_port = port;
  return at;
}

void append(Invitation& invitation, in_addr_t address) {
  if (invitation.addresses < Invitation::most_addresses)
    invitation.address[invitation.addresses++] = address;
}

// Of this host, for the ranks of other hosts.
void append_own_addresses(Invitation& invitation) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return;
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    if ((each->ifa_flags & IFF_LOOPBACK) != 0 || (each->ifa_flags & IFF_UP) == 0) continue;
    sockaddr_in at{};
    std::memcpy(&at, each->ifa_addr, sizeof at);
    append(invitation, at.sin_addr.s_addr);
  }
  ::freeifaddrs(first);
}

}  // namespace

sockaddr_in Invitation::endpoint(std::size_t which) const {
  return endpoint_at(address[which], port);
}

FileDescriptor open_house(bool is_one_host, Invitation& invitation) {
  FileDescriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in at = endpoint_at(htonl(is_one_host ? INADDR_LOOPBACK : INADDR_ANY), 0);
  socklen_t length = sizeof at;
  auto* const generic = reinterpret_cast<sockaddr*>(&at);
  const bool is_listening = listener && ::bind(listener.value(), generic, length) == 0 &&
                            ::listen(listener.value(), SOMAXCONN) == 0 &&
                            ::getsockname(listener.value(), generic, &length) == 0 &&
                            ::getrandom(invitation.token, sizeof invitation.token, 0) ==
                                static_cast<ssize_t>(sizeof invitation.token);
  if (!is_listening) return listener;
  invitation.port = at.sin_port;
  if (is_one_host)
    append(invitation, htonl(INADDR_LOOPBACK));
  else
    append_own_addresses(invitation);
  return listener;
}

}  // namespace lockstep::comm

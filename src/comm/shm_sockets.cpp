// The meeting of ranks that are processes: each keeps one connection to the first rank, over which
// descriptors travel. The socket's name lives in the abstract namespace, so nothing is left behind.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "lockstep/base/timeout.h"
#include "src/comm/shm_meeting.h"

namespace lockstep::comm {
namespace {

using Clock = std::chrono::steady_clock;

// Descriptors that Linux lets travel in one packet (SCM_MAX_FD).
constexpr int most_ranks = 253;

struct SocketName {
  std::uint8_t random[16] = {};
};

[[noreturn]] void fail(const std::string& what) {
  throw CommError(
      {fmt::format("shared memory: {}: {}", what, std::strerror(errno)),
       "look at the other ranks' messages; all ranks must run on this host as one user"});
}

SocketName new_name() {
  SocketName name;
  if (::getrandom(name.random, sizeof name.random, 0) != sizeof name.random) fail("getrandom");
  return name;
}

struct Address {
  sockaddr_un at{};
  socklen_t length = 0;

  explicit Address(const SocketName& name) {
    at.sun_family = AF_UNIX;
    std::string text = "lockstep-";
    for (const std::uint8_t byte : name.random) text += fmt::format("{:02x}", byte);
    std::memcpy(at.sun_path + 1, text.data(), text.size());  // a first 0: the abstract namespace
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  }
  const sockaddr* generic() const { return reinterpret_cast<const sockaddr*>(&at); }
};

FileDescriptor new_socket() {
  FileDescriptor made(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) fail("socket");
  return made;
}

FileDescriptor listening(const SocketName& name, int ranks) {
  FileDescriptor socket = new_socket();
  const Address address(name);
  if (::bind(socket.value(), address.generic(), address.length) != 0) fail("bind");
  if (::listen(socket.value(), ranks) != 0) fail("listen");
  return socket;
}

// Returns once the socket can do what `events` say.
void await(int socket, short events, Clock::time_point deadline, int rank) {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd entry{socket, events, 0};
    const int ready =
        left <= 0 ? 0 : ::poll(&entry, 1, static_cast<int>(std::min<long>(left, 1 << 30)));
    if (ready > 0) return;
    if (ready < 0 && errno == EINTR) continue;
    throw CommError({fmt::format("shared memory: rank {} did not come in time", rank),
                     "make the same calls on every rank; look at the other ranks' messages; where "
                     "ranks are only slow, raise LOCKSTEP_TIMEOUT"});
  }
}

// One packet and the descriptors that travel with it.
struct Packet {
  std::vector<std::byte> bytes;
  std::vector<int> descriptors;
};

void send_packet(int socket, const Packet& packet, Clock::time_point deadline, int rank) {
  iovec data{const_cast<std::byte*>(packet.bytes.data()), packet.bytes.size()};
  std::vector<char> control(CMSG_SPACE(packet.descriptors.size() * sizeof(int)));
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!packet.descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(packet.descriptors.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), packet.descriptors.data(),
                packet.descriptors.size() * sizeof(int));
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno == EAGAIN)
      await(socket, POLLOUT, deadline, rank);
    else if (errno != EINTR)
      fail(fmt::format("rank {} cannot be told", rank));
  }
}

// `bytes` long; the descriptors become the caller's.
std::vector<FileDescriptor> receive_packet(int socket, void* to, std::size_t bytes, int most,
                                           Clock::time_point deadline, int rank) {
  iovec data{to, bytes};
  std::vector<char> control(CMSG_SPACE(static_cast<std::size_t>(most) * sizeof(int)));
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = 0;
  while ((got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0) {
    if (errno == EAGAIN)
      await(socket, POLLIN, deadline, rank);
    else if (errno != EINTR)
      fail(fmt::format("rank {} is not heard", rank));
  }
  std::vector<FileDescriptor> descriptors;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; at + sizeof(int) <= header->cmsg_len - CMSG_LEN(0);
         at += sizeof(int)) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(header) + at, sizeof descriptor);
      descriptors.emplace_back(descriptor);
    }
  }
  check<CommError>(got == static_cast<ssize_t>(bytes), [&] {
    return Complaint{
        got == 0 ? fmt::format("shared memory: rank {} has ended", rank)
                 : fmt::format("shared memory: rank {} sent {} bytes of {}", rank, got, bytes),
        "look at the other ranks' messages"};
  });
  return descriptors;
}

bool is_own_user(int socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
         peer.uid == ::geteuid();
}

class SocketMeeting final : public ShmMeeting {
 public:
  SocketMeeting(int rank, int size) : ShmMeeting(rank, size) {
    peers_.resize(static_cast<std::size_t>(size));
  }

  void accept_all(const FileDescriptor& listener, Clock::time_point deadline) {
    for (int missing = size() - 1; missing > 0;) {
      FileDescriptor peer(
          ::accept4(listener.value(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!peer) {
        if (errno == EAGAIN)
          await(listener.value(), POLLIN, deadline, first_missing());
        else if (errno != EINTR && errno != ECONNABORTED)
          fail("accept");
        continue;
      }
      if (!is_own_user(peer.value())) continue;  // a stranger who guessed the name
      std::int32_t who = 0;
      receive_packet(peer.value(), &who, sizeof who, 0, deadline, first_missing());
      if (who < 1 || who >= size() || peers_[static_cast<std::size_t>(who)]) continue;
      peers_[static_cast<std::size_t>(who)] = std::move(peer);
      --missing;
    }
  }

  void connect(const SocketName& name, Clock::time_point deadline) {
    FileDescriptor leader = new_socket();
    const Address address(name);
    while (::connect(leader.value(), address.generic(), address.length) != 0) {
      if (errno == EAGAIN)
        await(leader.value(), POLLOUT, deadline, 0);
      else if (errno != EINTR)
        fail("connect to rank 0");
    }
    const std::int32_t who = rank();
    const auto* const bytes = reinterpret_cast<const std::byte*>(&who);
    send_packet(leader.value(), {{bytes, bytes + sizeof who}, {}}, deadline, 0);
    peers_[0] = std::move(leader);
  }

  // A peer whose process is gone has closed its connection.
  std::vector<int> gone_ranks() override {
    std::vector<int> gone;
    for (int peer = 0; peer < size(); ++peer) {
      const FileDescriptor& connection = peers_[static_cast<std::size_t>(peer)];
      pollfd entry{connection.value(), 0, 0};
      if (connection && ::poll(&entry, 1, 0) > 0 && (entry.revents & POLLHUP) != 0)
        gone.push_back(peer);
    }
    return gone;
  }

  std::unique_ptr<ShmMeeting> part(std::span<const int> ranks, int index, const Group& /*group*/,
                                   Communicator& on) override {
    return meet_over_sockets(on, ranks, index);
  }

 private:
  std::vector<SharedSegment> exchange(const Note& own, SharedSegment segment,
                                      std::vector<Note>& notes, Deadline deadline) override {
    notes.assign(static_cast<std::size_t>(size()), {});
    std::vector<FileDescriptor> descriptors =
        rank() == 0 ? collect(own, segment, notes, deadline) : tell(own, segment, notes, deadline);
    std::vector<SharedSegment> segments;
    auto next = descriptors.begin();
    for (int peer = 0; peer < size(); ++peer) {
      const bool is_given = has_segment(notes[static_cast<std::size_t>(peer)], next, descriptors);
      segments.push_back(is_given ? peer == rank() ? segment
                                                   : mapped(notes[static_cast<std::size_t>(peer)],
                                                            std::move(*next))
                                  : nullptr);
      if (is_given) ++next;
    }
    return segments;
  }

  static bool has_segment(const Note& note, std::vector<FileDescriptor>::iterator next,
                          const std::vector<FileDescriptor>& all) {
    return note.bytes > 0 && next != all.end();
  }
  static SharedSegment mapped(const Note& note, FileDescriptor descriptor) {
    return std::make_shared<ShmSegment>(ShmSegment::received(std::move(descriptor), note.bytes));
  }

  // The first rank hears all and tells all.
  std::vector<FileDescriptor> collect(const Note& own, const SharedSegment& segment,
                                      std::vector<Note>& notes, Deadline deadline) {
    std::vector<FileDescriptor> all;
    notes[0] = own;
    if (segment) all.emplace_back(::fcntl(segment->descriptor(), F_DUPFD_CLOEXEC, 0));
    for (int peer = 1; peer < size(); ++peer) {
      auto sent = receive_packet(socket_of(peer), &notes[static_cast<std::size_t>(peer)],
                                 sizeof(Note), 1, deadline, peer);
      for (FileDescriptor& descriptor : sent) all.push_back(std::move(descriptor));
    }
    const auto* const bytes = reinterpret_cast<const std::byte*>(notes.data());
    Packet packet{{bytes, bytes + notes.size() * sizeof(Note)}, {}};
    for (const FileDescriptor& descriptor : all) packet.descriptors.push_back(descriptor.value());
    for (int peer = 1; peer < size(); ++peer) send_packet(socket_of(peer), packet, deadline, peer);
    return all;
  }

  std::vector<FileDescriptor> tell(const Note& own, const SharedSegment& segment,
                                   std::vector<Note>& notes, Deadline deadline) {
    const auto* const bytes = reinterpret_cast<const std::byte*>(&own);
    Packet packet{{bytes, bytes + sizeof own}, {}};
    if (segment) packet.descriptors.push_back(segment->descriptor());
    send_packet(socket_of(0), packet, deadline, 0);
    return receive_packet(socket_of(0), notes.data(), notes.size() * sizeof(Note), size(), deadline,
                          0);
  }

  int socket_of(int peer) const { return peers_[static_cast<std::size_t>(peer)].value(); }
  int first_missing() const {
    for (int peer = 1; peer < size(); ++peer)
      if (!peers_[static_cast<std::size_t>(peer)]) return peer;
    return 0;
  }

  std::vector<FileDescriptor> peers_;  // of rank 0: all; of the others: rank 0
};

// Everyone's name, of which that of each group's first rank is used.
std::vector<SocketName> gathered_names(Communicator& bootstrap, const SocketName& own) {
  const auto count = static_cast<std::int64_t>(sizeof own);
  const core::Memory memory =
      core::allocator({}).allocate(static_cast<std::size_t>(bootstrap.size()) * sizeof own);
  auto* const all = static_cast<std::byte*>(memory->data());
  std::byte* const mine = all + static_cast<std::size_t>(bootstrap.rank()) * sizeof own;
  std::memcpy(mine, &own, sizeof own);
  core::Stream stream;
  bootstrap
      .all_gather(core::Buffer{mine, count, DType::u8, {}, memory},
                  core::Buffer{all, bootstrap.size() * count, DType::u8, {}, memory}, stream)
      .wait();
  std::vector<SocketName> names(static_cast<std::size_t>(bootstrap.size()));
  std::memcpy(names.data(), all, names.size() * sizeof own);
  return names;
}

}  // namespace

std::unique_ptr<ShmMeeting> meet_over_sockets(Communicator& bootstrap, std::span<const int> ranks,
                                              int index) {
  const auto deadline = Clock::now() + timeout_setting();
  const int size = static_cast<int>(ranks.size());
  check<DeviceError>(size <= most_ranks, [&] {
    return Complaint{
        fmt::format("shared memory: {} ranks on one host, {} can share it", size, most_ranks),
        "start fewer ranks with more threads each, or use LOCKSTEP_TRANSPORT=mpi"};
  });
  const SocketName own = new_name();
  FileDescriptor listener;  // before anyone learns its name
  if (size > 1 && index == 0) listener = listening(own, size);
  const auto names = gathered_names(bootstrap, own);
  if (ranks.empty()) return nullptr;
  auto meeting = std::make_unique<SocketMeeting>(index, size);
  if (index > 0) {
    meeting->connect(names[static_cast<std::size_t>(ranks.front())], deadline);
  } else if (size > 1) {
    meeting->accept_all(listener, deadline);
  }
  return meeting;
}

}  // namespace lockstep::comm

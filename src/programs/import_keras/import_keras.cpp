// lockstep-import-keras: a Keras model as a folder that nn::Graph is built from. The only program
// that opens HDF5 files, whose reader is no match for hostile ones: a confined child process does
// so.
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <string>

#include "lockstep/base/error.h"
#include "lockstep/core/parallel_for.h"
#include "lockstep/io/graph.h"
#include "lockstep/kernels/registry.h"
#include "src/programs/command_line.h"
#include "src/programs/import_keras/confine.h"
#include "src/programs/import_keras/keras_file.h"

namespace lockstep::programs {
namespace {

constexpr int data_exit_code = 3;

struct Request {
  std::string in, out;
  std::int64_t memory = 0;  // 0: by the size of the file
};

int failure(const std::string& what, const std::string& fix) {
  fmt::print(stderr, "lockstep-import-keras: {}\n  fix:   {}\n", what, fix);
  return data_exit_code;
}

// Twice the file, and what its structure may take.
std::int64_t memory_for(const Request& request) {
  if (request.memory > 0) return request.memory;
  std::error_code status;
  const auto bytes = std::filesystem::file_size(request.in, status);
  return (status ? 0 : 2 * static_cast<std::int64_t>(bytes)) + (std::int64_t{256} << 20);
}

void import_and_save(const Request& request, const std::filesystem::path& scratch) {
  const ImportedModel model = imported(request.in, scratch);
  io::save_model(request.out, model.graph, model.tensors);
  fmt::print("{}: {} nodes, {} tensors\n", request.out, model.graph.nodes.size(),
             model.tensors.size());
}

int in_child(const Request& request, const std::filesystem::path& scratch) {
  const std::int64_t memory = memory_for(request);
  try {
    kernels::backend({});  // a plug-in and what it links are nothing that the file may ask for
    core::use_threads(1);  // others would take their stacks out of the file's memory
    confine(memory);
    try {
      import_and_save(request, scratch);
    } catch (const DeviceError&) {
      throw std::bad_alloc();  // the tensors' own way to say so
    }
    return 0;
  } catch (const Error& error) {
    return failure(error.problem(), error.fix());
  } catch (const std::bad_alloc&) {
    return failure(fmt::format("{} needs more memory than {} bytes", request.in, memory),
                   "give more by --memory-limit if you trust the file");
  } catch (const std::exception& error) {
    return failure(request.in + ": " + error.what(), "check the file and the disk");
  }
}

int supervised(const Request& request, const std::filesystem::path& scratch) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return failure("cannot start a process", "end some processes");
  if (child == 0) {
    const int code = in_child(request, scratch);
    std::fflush(nullptr);
    ::_exit(code);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  return failure(
      fmt::format("{} made the HDF5 reader fail ({}) within {} bytes of memory: it is damaged or "
                  "hostile",
                  request.in, ::strsignal(WTERMSIG(status)), memory_for(request)),
      "save the model again, or give more by --memory-limit if you trust the file");
}

// With a folder that is gone afterwards, whatever became of the child.
int with_scratch(const Request& request) {
  std::string scratch = std::filesystem::temp_directory_path() / "lockstep-import-XXXXXX";
  if (::mkdtemp(scratch.data()) == nullptr) {
    return failure("cannot make the folder " + scratch,
                   "set TMPDIR to a folder that you may write to");
  }
  const int code = supervised(request, scratch);
  std::error_code ignored;
  std::filesystem::remove_all(scratch, ignored);
  return code;
}

}  // namespace
}  // namespace lockstep::programs

int main(int argc, char** argv) {
  using namespace lockstep::programs;
  Request request;
  CommandLine command_line("lockstep-import-keras",
                           "Turns a Keras model (.h5 or .keras) into a folder with model.json and "
                           "model.safetensors.");
  command_line.add_operand("IN", "the file that model.save() wrote", request.in);
  command_line.add_operand("OUT", "the folder to make", request.out);
  command_line.add_bytes({.name = "--memory-limit",
                          .meaning = "memory that reading the file may take",
                          .fallback = "twice the file + 256M",
                          .low = 1 << 20},
                         request.memory);
  if (const auto code = command_line.parse(argc, argv)) return *code;
  return with_scratch(request);
}

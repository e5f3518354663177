// What is refused: every refusal names the place, exits with 3, and leaves nothing behind.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "src/programs/import_keras/confine.h"
#include "tests/support/scratch.h"
#include "tests/support/subprocess.h"

namespace lockstep::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::string program = std::string(LOCKSTEP_PROGRAMS) + "/lockstep-import-keras ";
const fs::path golden = fs::path(LOCKSTEP_GOLDEN) / "keras";

// What importing `file` says; fails unless it is refused without a trace.
std::string refusal(const fs::path& file, const std::string& flags = "") {
  const Scratch scratch;
  const Outcome outcome =
      run_command(program + flags + file.string() + " " + (scratch / "out").string());
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_TRUE(fs::is_empty(scratch.folder()));
  EXPECT_THAT(outcome.err, HasSubstr("fix:"));
  return outcome.err;
}

std::string refusal_of_bytes(const std::string& bytes) {
  const Scratch scratch;
  std::ofstream(scratch / "model.h5", std::ios::binary) << bytes;
  return refusal(scratch / "model.h5");
}

// A change of an open copy of a kept model.
using Change = std::function<void(hid_t file)>;

void set_text(hid_t file, const char* name, const std::string& text) {
  if (H5Aexists(file, name) > 0) H5Adelete(file, name);
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, text.size());
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(attribute, type, text.data());
  H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
}

std::string refusal_of_changed(const Change& change) {
  const Scratch scratch;
  fs::copy_file(golden / "keras3_h5_cnn.h5", scratch / "model.h5");
  const hid_t file = H5Fopen((scratch / "model.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  change(file);
  H5Fclose(file);
  return refusal(scratch / "model.h5");
}

// A Sequential of one Dense layer after the input, with the layer's text replaced.
std::string refusal_of_layer(const std::string& layer) {
  return refusal_of_changed([&](hid_t file) {
    set_text(
        file, "model_config",
        R"({"class_name": "Sequential", "config": {"name": "s", "layers": [)"
        R"({"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [null, 4, 4, 1]}}, )" +
            layer + "]}}");
  });
}

const std::string bias = "model_weights/dense/sequential/dense/bias";

void replace_bias(hid_t file, std::vector<hsize_t> shape, hid_t properties = H5P_DEFAULT) {
  H5Ldelete(file, bias.c_str(), H5P_DEFAULT);
  const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  const hid_t dataset =
      H5Dcreate2(file, bias.c_str(), H5T_NATIVE_FLOAT, space, H5P_DEFAULT, properties, H5P_DEFAULT);
  EXPECT_GE(dataset, 0);
  H5Dclose(dataset);
  H5Sclose(space);
}

TEST(ImportKerasRefuses, WhatIsNoModel) {
  EXPECT_THAT(refusal("/nowhere/model.h5"), HasSubstr("is not a readable HDF5 file"));
  EXPECT_THAT(refusal_of_bytes(""), HasSubstr("is not a readable HDF5 file"));
  EXPECT_THAT(refusal_of_bytes("text"), HasSubstr("is not a readable HDF5 file"));
  EXPECT_THAT(refusal_of_bytes("PK\x03\x04 text"), HasSubstr("is not a readable zip archive"));
  const std::string whole = text_of(golden / "keras3_h5_cnn.h5");
  EXPECT_THAT(refusal_of_bytes(whole.substr(0, whole.size() / 2)), HasSubstr("fix:"));
}

TEST(ImportKerasRefuses, AFileWithoutAStructureOrOfAnotherVersion) {
  EXPECT_THAT(refusal_of_changed([](hid_t file) { H5Adelete(file, "model_config"); }),
              HasSubstr("holds no model_config"));
  EXPECT_THAT(refusal_of_changed([](hid_t file) { set_text(file, "keras_version", "1.2.2"); }),
              HasSubstr("written by Keras 1.2.2"));
  EXPECT_THAT(refusal_of_changed([](hid_t file) { set_text(file, "model_config", "{"); }),
              HasSubstr("is not valid JSON"));
  EXPECT_THAT(refusal_of_changed(
                  [](hid_t file) { set_text(file, "model_config", std::string(60000, '[')); }),
              HasSubstr("nested too deeply"));
}

TEST(ImportKerasRefuses, LayersByName) {
  EXPECT_THAT(refusal_of_layer(
                  R"({"class_name": "Lambda", "config": {"name": "evil", "function": "eval"}})"),
              HasSubstr("layer \"evil\" is a Lambda"));
  EXPECT_THAT(refusal_of_layer(R"({"class_name": "Mine>Own", "config": {"name": "mine"}})"),
              HasSubstr("layer \"mine\" is a Mine>Own"));
  EXPECT_THAT(refusal_of_layer(R"({"class_name": "Sequential", "config": {"name": "inner"}})"),
              HasSubstr("layer \"inner\" is a model within the model"));
  EXPECT_THAT(refusal_of_layer(R"({"class_name": "Flatten", "config": {"name": "f", )"
                               R"("data_format": "channels_first"}})"),
              HasSubstr("layer \"f\" (Flatten): data_format = \"channels_first\""));
  EXPECT_THAT(refusal_of_layer(R"({"class_name": "Conv2D", "config": {"name": "c", "filters": 2, )"
                               R"("kernel_size": [99999999999999, 1], "strides": 1}})"),
              HasSubstr("layer \"c\" (Conv2D): kernel_size"));
  EXPECT_THAT(refusal_of_layer(R"({"class_name": "MaxPooling2D", "config": {"name": "p", )"
                               R"("pool_size": 5}})"),
              HasSubstr("layer \"p\" (MaxPooling2D): a window of 5 on 4"));
}

TEST(ImportKerasRefuses, ACycle) {
  const auto layer = [](const std::string& name, const std::string& reads) {
    return fmt::format(R"({{"class_name": "ReLU", "name": "{0}", "config": {{"name": "{0}"}}, )"
                       R"("inbound_nodes": [[["{1}", 0, 0, {{}}]]]}})",
                       name, reads);
  };
  EXPECT_THAT(refusal_of_changed([&](hid_t file) {
                set_text(file, "model_config",
                         R"({"class_name": "Functional", "config": {"name": "m", "layers": [)" +
                             layer("a", "b") + "," + layer("b", "a") +
                             R"(], "input_layers": [], "output_layers": [["b", 0, 0]]}})");
              }),
              HasSubstr("layer \"a\" stands on a cycle"));
}

TEST(ImportKerasRefuses, WeightsByLayer) {
  EXPECT_THAT(refusal_of_changed([](hid_t file) { H5Ldelete(file, bias.c_str(), H5P_DEFAULT); }),
              HasSubstr("the file lacks model_weights/dense/sequential/dense/bias"));
  EXPECT_THAT(refusal_of_changed([](hid_t file) {
                H5Adelete_by_name(file, "model_weights/dense", "weight_names", H5P_DEFAULT);
              }),
              HasSubstr("layer \"dense\" lacks its kernel"));
  EXPECT_THAT(refusal_of_changed([](hid_t file) {
                const hid_t group = H5Gopen2(file, "model_weights/flatten", H5P_DEFAULT);
                set_text(group, "weight_names", "kernel");
                H5Gclose(group);
              }),
              HasSubstr("layer \"flatten\" has 1 weights in the file, it takes 0"));
  EXPECT_THAT(refusal_of_changed([](hid_t file) {
                const hid_t dataset = H5Dopen2(file, bias.c_str(), H5P_DEFAULT);
                const std::vector<float> values(6, std::numeric_limits<float>::quiet_NaN());
                H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
                H5Dclose(dataset);
              }),
              HasSubstr("layer \"dense\": its bias holds NaN"));
}

TEST(ImportKerasRefuses, LinksThatLeadElsewhere) {
  const auto linked = [](const std::function<void(hid_t)>& make) {
    return refusal_of_changed([&](hid_t file) {
      H5Ldelete(file, bias.c_str(), H5P_DEFAULT);
      make(file);
    });
  };
  EXPECT_THAT(linked([](hid_t file) {
                H5Lcreate_soft("/model_weights/dense/sequential/dense/kernel", file, bias.c_str(),
                               H5P_DEFAULT, H5P_DEFAULT);
              }),
              HasSubstr("is a soft or external link"));
  EXPECT_THAT(linked([](hid_t file) {
                H5Lcreate_external("/etc/passwd", "x", file, bias.c_str(), H5P_DEFAULT,
                                   H5P_DEFAULT);
              }),
              HasSubstr("is a soft or external link"));
}

TEST(ImportKerasRefuses, ElementsThatLieElsewhere) {
  EXPECT_THAT(refusal_of_changed([](hid_t file) {
                const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
                H5Pset_external(properties, "/etc/passwd", 0, 24);
                replace_bias(file, {6}, properties);
                H5Pclose(properties);
              }),
              HasSubstr("lie in another file"));
}

TEST(ImportKerasRefuses, SizesThatTheFileCannotHold) {
  EXPECT_THAT(refusal_of_changed([](hid_t file) { replace_bias(file, {7}); }), HasSubstr("claims"));
  EXPECT_THAT(refusal_of_changed([](hid_t file) { replace_bias(file, {1ULL << 40U}); }),
              HasSubstr("claims 4398046511104 bytes and stores 0"));
  EXPECT_THAT(
      refusal_of_changed([](hid_t file) { replace_bias(file, std::vector<hsize_t>(9, 1)); }),
      HasSubstr("has 9 axes"));
}

TEST(ImportKerasRefuses, ToTakeMoreMemoryThanItsLimit) {
  const std::string message = refusal(golden / "keras3_h5_cnn.h5", "--memory-limit 1M ");
  EXPECT_THAT(message, HasSubstr("fix:"));
}

// Whatever is done to a file, the program answers: it imports it or refuses it, and does not crash.
TEST(ImportKeras, AnswersToDamagedFiles) {
  std::mt19937 random(1);
  const Scratch scratch;
  for (const char* name : {"keras3_h5_cnn.h5", "keras2_keras_graph.keras"}) {
    const std::string whole = text_of(golden / name);
    for (int round = 0; round < 20; ++round) {
      std::string bytes = whole;
      for (int change = 0; change < 8; ++change) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      if (round % 4 == 0) bytes.resize(random() % bytes.size());
      std::ofstream(scratch / "model", std::ios::binary) << bytes;
      const Outcome outcome =
          run_command(program + (scratch / "model").string() + " " + (scratch / "out").string());
      EXPECT_TRUE(outcome.exit_code == 0 || outcome.exit_code == 3)
          << name << ", round " << round << ": " << outcome.exit_code << outcome.err;
      EXPECT_EQ(fs::exists(scratch / "out"), outcome.exit_code == 0);
      fs::remove_all(scratch / "out");
    }
  }
}

TEST(Confine, LeavesNeitherNetworkNorOtherPrograms) {
  EXPECT_EXIT(
      {
        programs::confine(std::int64_t{1} << 40U);
        const bool has_socket = ::socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM;
        const bool has_program = ::execl("/bin/true", "true", nullptr) == 0 || errno != EPERM;
        ::_exit(has_socket || has_program ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace lockstep::tests

// Damaged and hostile Keras files, made out of kept ones, and what the importer says about them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <zip.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "tests/support/scratch.h"
#include "tests/support/subprocess.h"

namespace lockstep::tests {

inline const std::string import_keras = std::string(LOCKSTEP_PROGRAMS) + "/lockstep-import-keras ";
inline const std::filesystem::path golden_keras = std::filesystem::path(LOCKSTEP_GOLDEN) / "keras";

// What importing `file` says; fails unless it is refused without a trace.
inline std::string refusal(const std::filesystem::path& file, const std::string& flags = "") {
  const Scratch scratch;
  const Outcome outcome =
      run_command(import_keras + flags + file.string() + " " + (scratch / "out").string());
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_TRUE(std::filesystem::is_empty(scratch.folder()));
  EXPECT_THAT(outcome.err, ::testing::HasSubstr("fix:"));
  return outcome.err;
}

inline std::string refusal_of_bytes(const std::string& bytes) {
  const Scratch scratch;
  std::ofstream(scratch / "model.h5", std::ios::binary) << bytes;
  return refusal(scratch / "model.h5");
}

inline void set_text(hid_t place, const char* name, const std::string& text) {
  if (H5Aexists(place, name) > 0) H5Adelete(place, name);
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, text.size());
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(place, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(attribute, type, text.data());
  H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
}

// Of a copy of a kept .h5 model in which `change` was made.
inline std::string refusal_of_changed(const std::function<void(hid_t file)>& change,
                                      const std::string& flags = "") {
  const Scratch scratch;
  std::filesystem::copy_file(golden_keras / "keras3_h5_cnn.h5", scratch / "model.h5");
  const hid_t file = H5Fopen((scratch / "model.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  change(file);
  H5Fclose(file);
  return refusal(scratch / "model.h5", flags);
}

// Of a Sequential of images of 4 x 4 x 1 and the given layers.
inline std::string refusal_of_layers(const std::string& layers) {
  const std::string input =
      R"({"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [null, 4, 4, 1]}}, )";
  return refusal_of_changed([&](hid_t file) {
    set_text(file, "model_config",
             R"({"class_name": "Sequential", "config": {"name": "s", "layers": [)" + input +
                 layers + "]}}");
  });
}

// Of a copy of a kept .keras archive in which `change` was made.
inline std::string refusal_of_changed_archive(const std::function<void(zip_t* archive)>& change) {
  const Scratch scratch;
  std::filesystem::copy_file(golden_keras / "keras3_keras_cnn.keras", scratch / "model.keras");
  zip_t* archive = zip_open((scratch / "model.keras").c_str(), 0, nullptr);
  change(archive);
  EXPECT_EQ(zip_close(archive), 0);
  return refusal(scratch / "model.keras");
}

}  // namespace lockstep::tests

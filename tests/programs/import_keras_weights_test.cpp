// Which weights are refused: those that the layers do not want, and those that no honest file
// holds.
#include <limits>
#include <vector>

#include "src/programs/import_keras/confine.h"
#include "tests/programs/keras_files.h"

namespace lockstep::tests {
namespace {

using ::testing::HasSubstr;

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

void write_bias(hid_t file, const std::vector<float>& values) {
  const hid_t dataset = H5Dopen2(file, bias.c_str(), H5P_DEFAULT);
  H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  H5Dclose(dataset);
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
                replace_bias(file, {3, 2});
                write_bias(file, std::vector<float>(6, 0));
              }),
              HasSubstr("layer \"dense\": its bias is [3, 2], wanted is [6]"));
  EXPECT_THAT(refusal_of_changed([](hid_t file) {
                write_bias(file, std::vector<float>(6, std::numeric_limits<float>::quiet_NaN()));
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

// 64 MiB of zeros, which gzip packs into 64 KiB.
void write_bomb(hid_t file) {
  const std::vector<hsize_t> shape = {1, 1U << 24U}, chunk = {1, 1U << 20U};
  const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(properties, 2, chunk.data());
  H5Pset_deflate(properties, 1);
  replace_bias(file, shape, properties);
  H5Pclose(properties);
  write_bias(file, std::vector<float>(shape[1], 0));
}

TEST(ImportKerasRefuses, ACompressedBomb) {
  EXPECT_THAT(refusal_of_changed(write_bomb),
              HasSubstr("its bias is [1, 16777216], wanted is [6]"));
  const auto make_it_wanted = [](hid_t file) {
    write_bomb(file);
    set_text(file, "model_config",
             R"({"class_name": "Sequential", "config": {"name": "s", "layers": [)"
             R"({"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [null, 1]}}, )"
             R"({"class_name": "Dense", "config": {"name": "dense", "units": 16777216, )"
             R"("use_bias": false}}]}})");
    for (const char* layer :
         {"conv2d", "conv2d_1", "batch_normalization", "batch_normalization_1", "dense_1"}) {
      H5Adelete_by_name(file, (std::string("model_weights/") + layer).c_str(), "weight_names",
                        H5P_DEFAULT);
    }
    const hid_t group = H5Gopen2(file, "model_weights/dense", H5P_DEFAULT);
    set_text(group, "weight_names", "sequential/dense/bias");
    H5Gclose(group);
  };
  if (!programs::caps_memory()) return;
  EXPECT_THAT(refusal_of_changed(make_it_wanted, "--memory-limit 32M "),
              HasSubstr("needs more memory than 33554432 bytes"));
}

}  // namespace
}  // namespace lockstep::tests

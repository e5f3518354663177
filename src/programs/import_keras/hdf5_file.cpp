#include "src/programs/import_keras/hdf5_file.h"

#include <fmt/format.h>
#include <hdf5.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "lockstep/core/byte_count.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {
namespace {

template <herr_t (*close)(hid_t)> struct IdTraits {
  using type = hid_t;
  static hid_t empty() { return -1; }
  static void release(hid_t id) noexcept { close(id); }
};
using Object = Handle<IdTraits<H5Oclose>>;
using Space = Handle<IdTraits<H5Sclose>>;
using Type = Handle<IdTraits<H5Tclose>>;
using Properties = Handle<IdTraits<H5Pclose>>;
using AttributeId = Handle<IdTraits<H5Aclose>>;

constexpr std::uint64_t largest_text = 64U << 20U;
constexpr hsize_t largest_list = 1'000'000;

template <class Id> Id opened(hid_t id, const std::string& what) {
  if (id < 0) refuse("HDF5: cannot read " + shown(what), "the file is damaged; copy it again");
  return Id(id);
}

// Each component must be a hard link: soft and external ones may lead out of the file or in
// circles.
bool is_reachable(hid_t file, const std::string& path) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    if (part.empty() || part == "/") continue;
    if (H5Lexists(file, part.c_str(), H5P_DEFAULT) <= 0) return false;
    H5L_info_t info{};
    if (H5Lget_info(file, part.c_str(), &info, H5P_DEFAULT) < 0) return false;
    if (info.type != H5L_TYPE_HARD) {
      refuse(fmt::format("HDF5: {} is a soft or external link", shown(part)),
             "store the weights themselves in the file");
    }
  }
  return true;
}

Object object(hid_t file, const std::string& path) {
  if (!is_reachable(file, path)) refuse("HDF5: the file lacks " + shown(path));
  return opened<Object>(H5Oopen(file, path.c_str(), H5P_DEFAULT), path);
}

Object object_of_kind(hid_t file, const std::string& path, H5I_type_t kind, const char* name) {
  Object found = object(file, path);
  if (H5Iget_type(found.value()) != kind) {
    refuse(fmt::format("HDF5: {} is not a {}", shown(path), name));
  }
  return found;
}

std::string text_at(const char* data, std::size_t bytes) {
  return {data, strnlen(data, bytes)};  // padded with zeros
}

std::vector<std::string> variable_texts(hid_t attribute, hid_t type, std::size_t count,
                                        const std::string& what) {
  std::vector<char*> pointers(count, nullptr);
  if (H5Aread(attribute, type, pointers.data()) < 0) refuse("HDF5: cannot read " + shown(what));
  std::vector<std::string> all;
  for (char* each : pointers) {
    all.emplace_back(each == nullptr ? "" : each);
    H5free_memory(each);
  }
  return all;
}

std::vector<std::string> fixed_texts(hid_t attribute, hid_t type, std::size_t count,
                                     const std::string& what) {
  const std::size_t bytes = H5Tget_size(type);
  if (bytes == 0 || bytes * count > largest_text) refuse("HDF5: " + shown(what) + " is too long");
  std::vector<char> data(bytes * count);
  if (H5Aread(attribute, type, data.data()) < 0) refuse("HDF5: cannot read " + shown(what));
  std::vector<std::string> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(text_at(&data[i * bytes], bytes));
  return all;
}

void check_storage(hid_t dataset, std::uint64_t bytes, const std::string& path) {
  const auto properties = opened<Properties>(H5Dget_create_plist(dataset), path);
  const H5D_layout_t layout = H5Pget_layout(properties.value());
  if (H5Pget_external_count(properties.value()) != 0 || layout == H5D_VIRTUAL) {
    refuse(fmt::format("HDF5: the elements of {} lie in another file", shown(path)),
           "store the weights themselves in the file");
  }
  const int filters = H5Pget_nfilters(properties.value());
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(properties.value(), static_cast<unsigned>(i), &flags,
                                               &values, nullptr, 0, nullptr, nullptr);
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
        filter != H5Z_FILTER_FLETCHER32) {
      refuse(fmt::format("HDF5: {} is compressed by filter {}", shown(path), filter),
             "save it uncompressed or with gzip");
    }
  }
  // Deflate packs at most 1032 to 1.
  const std::uint64_t stored = H5Dget_storage_size(dataset);
  if (bytes > stored * (filters > 0 ? 1032U : 1U)) {
    refuse(fmt::format("HDF5: {} claims {} bytes and stores {}", shown(path), bytes, stored),
           "the file is damaged or made to fill the memory");
  }
}

struct Dataset {
  Object id;
  Space space;
  std::vector<std::int64_t> shape;
};

// Floating-point numbers, as many as the file can hold.
void check_elements(const Dataset& from, const std::string& path) {
  const auto type = opened<Type>(H5Dget_type(from.id.value()), path);
  const std::size_t element = H5Tget_size(type.value());
  if (H5Tget_class(type.value()) != H5T_FLOAT || element > 8) {
    refuse("HDF5: the elements of " + shown(path) + " are not floating-point numbers");
  }
  const auto bytes = core::byte_count(Shape(from.shape), DType::f64);
  if (!bytes) refuse("HDF5: " + shown(path) + " is larger than any memory");
  check_storage(from.id.value(), *bytes / 8 * element, path);
}

Dataset dataset_at(hid_t file, const std::string& path) {
  Dataset found{object_of_kind(file, path, H5I_DATASET, "dataset"), {}, {}};
  found.space = opened<Space>(H5Dget_space(found.id.value()), path);
  const int rank = H5Sget_simple_extent_ndims(found.space.value());
  if (rank < 0 || rank > max_rank) {
    refuse(fmt::format("HDF5: {} has {} axes, at most {} are known", shown(path), rank, max_rank));
  }
  std::array<hsize_t, max_rank> sizes{};
  H5Sget_simple_extent_dims(found.space.value(), sizes.data(), nullptr);
  for (int axis = 0; axis < rank; ++axis) {
    const hsize_t size = sizes[static_cast<std::size_t>(axis)];
    if (size > static_cast<hsize_t>(std::numeric_limits<std::int64_t>::max())) {
      refuse(fmt::format("HDF5: {} has an axis of {}", shown(path), size));
    }
    found.shape.push_back(static_cast<std::int64_t>(size));
  }
  check_elements(found, path);
  return found;
}

// Reads rows [begin, begin + rows) of the first axis into the contiguous `piece`.
void read_rows(const Dataset& from, std::int64_t begin, const Tensor& piece,
               const std::string& path) {
  std::array<hsize_t, max_rank> start{}, count{};
  for (int axis = 0; axis < piece.rank(); ++axis) {
    count[static_cast<std::size_t>(axis)] = static_cast<hsize_t>(piece.shape()[axis]);
  }
  start[0] = static_cast<hsize_t>(begin);
  const auto memory = opened<Space>(H5Screate_simple(piece.rank(), count.data(), nullptr), path);
  const bool is_read = H5Sselect_hyperslab(from.space.value(), H5S_SELECT_SET, start.data(),
                                           nullptr, count.data(), nullptr) >= 0 &&
                       H5Dread(from.id.value(), H5T_NATIVE_FLOAT, memory.value(),
                               from.space.value(), H5P_DEFAULT, piece.data<float>()) >= 0;
  if (!is_read) {
    refuse("HDF5: the elements of " + shown(path) + " cannot be read",
           "the file is damaged or truncated; copy it again");
  }
}

}  // namespace

void Hdf5FileTraits::release(type id) noexcept { H5Fclose(id); }

Hdf5File::Hdf5File(const std::filesystem::path& path) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // failures are told by refuse() instead
  H5PLset_loading_state(0);                     // no filters from shared objects
  const auto id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (id < 0) {
    refuse(path.string() + " is not a readable HDF5 file",
           "give a .h5 or .keras file that model.save() wrote, not truncated");
  }
  file_ = Handle<Hdf5FileTraits>(id);
}

bool Hdf5File::contains(const std::string& path) const { return is_reachable(file_.value(), path); }

std::vector<std::string> Hdf5File::members(const std::string& group) const {
  const Object id = object_of_kind(file_.value(), group, H5I_GROUP, "group");
  H5G_info_t info{};
  if (H5Gget_info(id.value(), &info) < 0 || info.nlinks > largest_list) {
    refuse("HDF5: cannot list " + shown(group));
  }
  std::vector<std::string> names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    std::array<char, 4096> name{};
    if (H5Lget_name_by_idx(id.value(), ".", H5_INDEX_NAME, H5_ITER_INC, i, name.data(), name.size(),
                           H5P_DEFAULT) < 0) {
      refuse("HDF5: cannot list " + shown(group));
    }
    names.push_back(text_at(name.data(), name.size()));
  }
  return names;
}

bool Hdf5File::has_attribute(const std::string& group, const std::string& name) const {
  return H5Aexists(object(file_.value(), group).value(), name.c_str()) > 0;
}

std::string Hdf5File::text(const std::string& group, const std::string& attribute) const {
  const auto all = texts(group, attribute);
  if (all.size() != 1) {
    refuse(
        fmt::format("HDF5: attribute {} of {} is no single text", shown(attribute), shown(group)));
  }
  return all.front();
}

std::vector<std::string> Hdf5File::texts(const std::string& group,
                                         const std::string& attribute) const {
  const std::string what = "attribute " + attribute + " of " + group;
  const Object owner = object(file_.value(), group);
  const auto id = opened<AttributeId>(H5Aopen(owner.value(), attribute.c_str(), H5P_DEFAULT), what);
  const auto space = opened<Space>(H5Aget_space(id.value()), what);
  const auto type = opened<Type>(H5Aget_type(id.value()), what);
  const hssize_t count = H5Sget_simple_extent_npoints(space.value());
  if (count < 0 || static_cast<hsize_t>(count) > largest_list) {
    refuse("HDF5: " + shown(what) + " is too long");
  }
  if (count == 0) return {};  // an empty list has no texts to tell its type by
  if (H5Tget_class(type.value()) != H5T_STRING) refuse("HDF5: " + shown(what) + " is not a text");
  const auto size = static_cast<std::size_t>(count);
  return H5Tis_variable_str(type.value()) > 0 ? variable_texts(id.value(), type.value(), size, what)
                                              : fixed_texts(id.value(), type.value(), size, what);
}

std::vector<std::int64_t> Hdf5File::shape(const std::string& dataset) const {
  return dataset_at(file_.value(), dataset).shape;
}

void Hdf5File::read(const std::string& path, const Tensor& to) const {
  const Dataset from = dataset_at(file_.value(), path);
  if (to.elements() == 0) return;
  if (to.rank() == 0) refuse("HDF5: " + shown(path) + " is a single number");
  constexpr std::int64_t piece_elements = 1 << 20;
  const std::int64_t row = to.elements() / to.size(0);
  const std::int64_t rows = std::max<std::int64_t>(1, piece_elements / row);
  for (std::int64_t begin = 0; begin < to.size(0); begin += rows) {
    const Tensor place = sliced_view(to, 0, begin, std::min(begin + rows, to.size(0)));
    const Tensor piece = empty(place.shape());
    read_rows(from, begin, piece, path);
    copy_elements(piece, place);
  }
}

}  // namespace lockstep::programs

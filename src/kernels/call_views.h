// Every view of a kernel call, for whoever moves them.
#pragma once

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels {

template <class Visit> void each_view(PointwiseCall& call, const Visit& visit) {
  for (View& in : call.in) visit(in);
  visit(call.out);
}
template <class Visit> void each_view(RowsCall& call, const Visit& visit) {
  for (View& in : call.in) visit(in);
  for (View& out : call.out) visit(out);
}
template <class Visit> void each_view(ReduceCall& call, const Visit& visit) {
  visit(call.in);
  visit(call.out);
}
template <class Visit> void each_view(GemmCall& call, const Visit& visit) {
  for (View* each : {&call.a, &call.b, &call.bias, &call.out}) visit(*each);
}
template <class Visit> void each_view(ConvCall& call, const Visit& visit) {
  for (View* each : {&call.x, &call.weight, &call.bias, &call.y, &call.g}) visit(*each);
}
template <class Visit> void each_view(PoolCall& call, const Visit& visit) {
  for (View* each : {&call.x, &call.y, &call.g, &call.indices}) visit(*each);
}
template <class Visit> void each_view(BatchNormCall& call, const Visit& visit) {
  for (View* each : {&call.x, &call.y, &call.g, &call.weight, &call.bias, &call.running_mean,
                     &call.running_variance, &call.mean, &call.inverse_deviation, &call.dx,
                     &call.dweight, &call.dbias})
    visit(*each);
}
template <class Visit> void each_view(CopyCall& call, const Visit& visit) {
  visit(call.in);
  visit(call.out);
}
template <class Visit> void each_view(GatherCall& call, const Visit& visit) {
  for (View* each : {&call.table, &call.index, &call.rows}) visit(*each);
}
template <class Visit> void each_view(PickCall& call, const Visit& visit) {
  for (View* each : {&call.index, &call.g, &call.out}) visit(*each);
}
template <class Visit> void each_view(RandomCall& call, const Visit& visit) {
  visit(call.in);
  visit(call.out);
}

}  // namespace lockstep::kernels

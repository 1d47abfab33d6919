# SPDX-License-Identifier: MIT
@0x8796ba226967f1f3;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("bench::codec::capn");

struct Variable {
  name @0 :Text;
  value @1 :Text;
}

struct Task {
  job0 @0 :UInt32;
  job1 @1 :UInt32;
  job2 @2 :UInt32;
  element @3 :UInt32;
  number @4 :UInt32;
  issuer @5 :UInt64;
  epoch @6 :UInt64;
  kind @7 :UInt8;
  path @8 :Text;
  args @9 :List(Text);
  env @10 :List(Variable);
  cores @11 :UInt32;
  memoryBytes @12 :UInt64;
  timeoutMs @13 :UInt64;
}

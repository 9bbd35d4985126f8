// What libFuzzer offers to a program that has a `main` of its own. It comes with the Swift toolchain, without a header.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Fuzzes `callback` as the arguments say, and ends the process.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

/// Changes `data` in place with the mutations of libFuzzer; returns the new size, at most `maximum`.
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maximum);

/**
 * Exit codes: a contract with other people's scripts (docs/ERRORS.md).
 */
export const ExitCode = {
  Done: 0,
  Internal: 1,
  /** Wrong words on the command line, or a file or packet that cannot be used. */
  Usage: 2,
  /** An assertion failed, or a verdict is negative. */
  Negative: 3,
  Unreachable: 4,
  /** A privilege, a kernel feature or a program is missing. */
  Missing: 5,
  /** A fault never fired, or there were too few samples to tell. */
  Inconclusive: 6,
} as const

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/**
 * Every error code that overlay prints, with its exit code and what it means. docs/ERRORS.md is this table in prose; a
 * test holds the two together.
 */
export const ERROR_CODES = {
  INTERNAL: {exit: ExitCode.Internal, meaning: 'a bug in overlay'},
  USAGE: {exit: ExitCode.Usage, meaning: 'the command line has an unknown command, flag or value'},
  CONFIG_INVALID: {exit: ExitCode.Usage, meaning: 'a configuration file, or a value in it, cannot be used'},
  KEY_FILE_INVALID: {exit: ExitCode.Usage, meaning: 'a key file is missing, too open to others, or malformed'},
  INPUT_INVALID: {exit: ExitCode.Usage, meaning: 'a file or packet given as input is malformed'},
  NOT_FOUND: {exit: ExitCode.Usage, meaning: 'a named lab, host, link, service, interface or file does not exist'},
  ALREADY_EXISTS: {exit: ExitCode.Usage, meaning: 'a name or a place is taken'},
  ADDRESS_IN_USE: {exit: ExitCode.Usage, meaning: 'a port or address to listen on is taken, or not of this host'},
  NOT_RUNNING: {exit: ExitCode.Unreachable, meaning: 'no edge or gateway of that name runs on this host'},
  NOT_PAIRED: {exit: ExitCode.Unreachable, meaning: 'a server of a pair is not in the state that this needs'},
  UNREACHABLE: {exit: ExitCode.Unreachable, meaning: 'a peer did not answer'},
  DEADLINE_EXCEEDED: {exit: ExitCode.Unreachable, meaning: 'a step took longer than it may'},
  PRIVILEGE_MISSING: {exit: ExitCode.Missing, meaning: 'a capability is missing, most often root'},
  KERNEL_FEATURE_MISSING: {exit: ExitCode.Missing, meaning: 'this kernel lacks a feature'},
  PROGRAM_MISSING: {exit: ExitCode.Missing, meaning: 'a program or shared library is not installed'},
  SYSTEM_CALL_FAILED: {exit: ExitCode.Internal, meaning: 'the kernel refused a call that should have worked'},
  ASSERTION_FAILED: {exit: ExitCode.Negative, meaning: 'a check that was asked for did not hold'},
  INCONCLUSIVE: {exit: ExitCode.Inconclusive, meaning: 'too little happened to judge'},
} as const

export type ErrorCode = keyof typeof ERROR_CODES

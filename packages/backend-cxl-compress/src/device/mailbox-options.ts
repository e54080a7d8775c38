import type { OptionCheck } from '@mm-lab/mm-core';

/** The mailbox of a device (CXL 3.1, 8.2.8.4), through which its driver commands it. */
export interface MailboxOptions {
  /** Bytes that one command may bring: a power of two, 256..2^20. Default 2048, as QEMU has. */
  readonly payloadBytes?: number;
  /**
   * From ringing the doorbell to the answer, in ns. Default `mailbox` of the machine's cost table
   * (R: recalled, no figure found; sweep 5 us to 100 ms).
   */
  readonly commandNs?: number;
  /** After this the driver gives a command up, in ns. Default `mailboxTimeout` (S32: 2 s). */
  readonly timeoutNs?: number;
  /**
   * Time that zeroing goes on in the background after the command was accepted, in ns. Default 0:
   * it is done when the answer comes.
   */
  readonly backgroundNs?: number;
  /** Does the device know Media Operations (opcode 0x4402), zero? Default true. */
  readonly zero?: boolean;
}

/** Filled in, but for what the machine's costs give. */
export type MailboxChoices = Readonly<Required<Omit<MailboxOptions, CostedMailbox>>> &
  Readonly<Pick<MailboxOptions, CostedMailbox>>;
type CostedMailbox = 'commandNs' | 'timeoutNs';

/** Filled in. */
export type MailboxSettings = Readonly<Required<MailboxOptions>>;

const PAYLOAD_BYTES_MIN = 256;
const PAYLOAD_BYTES_MAX = 1 << 20;

/** @throws MmError DEVICE_BAD_OPTION */
export function mailboxChoicesOf(check: OptionCheck, options: MailboxOptions): MailboxChoices {
  check.known(options, ['payloadBytes', 'commandNs', 'timeoutNs', 'backgroundNs', 'zero']);
  const { payloadBytes = 2048, commandNs, timeoutNs, backgroundNs = 0, zero = true } = options;
  check.powerOfTwo('mailbox.payloadBytes', payloadBytes, [PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX]);
  check.number('mailbox.commandNs', commandNs ?? 0, [0, Number.MAX_VALUE]);
  check.number('mailbox.timeoutNs', timeoutNs ?? 0, [0, Number.MAX_VALUE]);
  check.number('mailbox.backgroundNs', backgroundNs, [0, Number.MAX_VALUE]);
  return {
    payloadBytes,
    backgroundNs,
    zero,
    ...(commandNs === undefined ? {} : { commandNs }),
    ...(timeoutNs === undefined ? {} : { timeoutNs }),
  };
}

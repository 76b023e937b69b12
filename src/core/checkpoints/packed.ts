/** Tensors that do not lie in a file as they are, because they are compressed or cut into pieces. */

/** Packed bytes that cannot be unpacked, or unpack to something else than was said. */
export class DamagedRun extends Error {}

/** Fills `target` with the bytes of the checkpoint's files from `position` on. */
export type ReadAt = (target: Uint8Array, position: number) => Promise<void>;

/** A tensor's bytes, unpacked, from any position on. */
export interface ByteRun {
  /** Fills `target` from byte `from` of the run on. @throws DamagedRun */
  read(target: Uint8Array, from: number): Promise<void>;
  close(): void;
}

/** Opens a run over the checkpoint's files; reads never overlap. */
export type Packed = (readAt: ReadAt) => ByteRun;

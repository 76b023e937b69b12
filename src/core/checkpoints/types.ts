/**
 * The seam between checkpoint formats and everything else. A format is one folder here that exports one
 * {@link CheckpointFormat}; `registry.ts` lists them. Nothing outside the folder knows its bytes.
 *
 * Memory: no function of a format holds more than its header and one chunk, whatever the size of the model.
 */

export type FloatDType = 'F64' | 'F32' | 'F16' | 'BF16' | 'F8_E4M3' | 'F8_E5M2';
export type OtherDType =
  'I64' | 'I32' | 'I16' | 'I8' | 'U64' | 'U32' | 'U16' | 'U8' | 'BOOL' | 'C64' | 'C128';
/** Named as safetensors names them; other formats map theirs onto these. Elements are little-endian everywhere. */
export type DType = FloatDType | OtherDType;

export interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  /** Row-major; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** Another tensor of the same file whose elements these are (tied weights). It is read and written once. */
  readonly aliasOf?: string;
}

/** A file that belongs to a checkpoint, with what tells whether it changed since its header was read. */
export interface FileStamp {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly mtimeMs: number;
}

/** What is known of a complete checkpoint from its headers alone. */
export interface CheckpointHeader {
  /** The file, or the directory of a multi-file checkpoint: what a user would name. Absolute. */
  readonly path: string;
  readonly format: string;
  readonly tensors: readonly TensorInfo[];
  /** The format's own key-value metadata, as text. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Metrics at this checkpoint that the trainer saved with it, by name; further ones may be in `metadata`. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** What the trainer had logged when it saved it: columns of one length, by name; null where a cell was empty. */
  readonly history?: Readonly<Record<string, readonly (number | null)[]>>;
  /** All files of the checkpoint, the one with the header first. */
  readonly files: readonly FileStamp[];
  readonly step?: number;
  readonly epoch?: number;
  /** What holds the state of optimizer, schedulers and gradient scaler: keys, or files. A copy keeps or drops it. */
  readonly optimizer?: readonly string[];
  /** Sentences that a user should see: what is kept as it is, what a file holds beside weights. */
  readonly notes?: readonly string[];
}

export type Inspection =
  | { readonly state: 'complete'; readonly header: CheckpointHeader }
  /** Cut off or still growing: may become complete. `reason` is a sentence for the user. */
  | { readonly state: 'incomplete'; readonly path: string; readonly format: string; readonly reason: string }
  /** Damaged, hostile or not supported: more bytes will not mend it. */
  | { readonly state: 'unreadable'; readonly path: string; readonly format: string; readonly reason: string };

/** Positioned reads of tensor elements in logical (row-major) order. Close it. */
export interface TensorReader {
  /**
   * The bytes of elements `[start, start + count)` of a tensor, in its dtype, little-endian. The result is only
   * valid until the next call (buffers are reused). Throws `incomplete-checkpoint` when the file has shrunk.
   *
   * `into` is a place for them that the reader may use. Opened with `hash`, it may still read there until the next
   * call is done: shared memory is hashed on another thread.
   */
  read(tensor: TensorInfo, start: number, count: number, into?: Uint8Array): Promise<Uint8Array>;
  /**
   * Hex SHA-256 of all bytes of the header's files, one after another in header order. Only for a reader opened
   * with `hash`: what `read` has passed over is hashed already, so a front-to-back pass reads nothing twice.
   */
  sha256(signal?: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Follow the reads with a SHA-256. */
  readonly hash?: boolean;
}

/**
 * New bytes for the tensors of a copy, asked for in the order that suits the format, front to back per tensor.
 * The bytes stay valid until the call after the next one, so that one chunk can be written while the next is made.
 */
export type ChunkSource = (tensor: TensorInfo, start: number, count: number) => Promise<Uint8Array>;

export interface WriteOptions {
  /** Where the finished checkpoint appears, atomically. Must not exist. */
  readonly output: string;
  /** Where it grows until then: same directory as `output`. Removed on any failure. */
  readonly partial: string;
  /** Elements asked for at a time at most. */
  readonly chunkElements: number;
  /** Leave out what the header calls `optimizer`; `unsupported` where the format cannot. */
  readonly dropOptimizer?: boolean;
  readonly signal?: AbortSignal;
  /** Called when every byte is on disk, before the rename. Throwing here undoes the whole write. */
  readonly beforeFinish?: () => Promise<void>;
}

export interface CheckpointFormat {
  readonly id: string;
  /** For people: "safetensors", "TensorFlow.js LayersModel". */
  readonly label: string;
  /**
   * By name alone, no reading: does this path belong to a checkpoint of this format? Gives the path that names
   * the checkpoint (a `model.json` gives its directory), or undefined.
   */
  candidate(path: string): string | undefined;
  /**
   * Whether a directory that somebody named is one checkpoint, by the names of what is directly in it; for formats
   * where no single name says so. Watching does not ask this.
   */
  readonly holds?: (names: readonly string[]) => boolean;
  /** Reads headers only. `path` is what {@link candidate} gave. Throws only for I/O errors other than "gone". */
  inspect(path: string, signal?: AbortSignal): Promise<Inspection>;
  /** Throws `incomplete-checkpoint` when the files are not those the header was read from any more. */
  open(header: CheckpointHeader, options?: OpenOptions): Promise<TensorReader>;
  /**
   * Copy and patch: writes a copy of `template` to `output` in which the bytes of every non-alias tensor come from
   * `chunks` and everything else is kept byte for byte. fsync, then rename. Gives the hex SHA-256 of the files
   * written, one after another in header order. Throws `exists` rather than replace anything, even in a race.
   */
  write(template: CheckpointHeader, chunks: ChunkSource, options: WriteOptions): Promise<string>;
  /**
   * Throws `unsupported` where the state of the optimizer cannot be left out of a copy. Formats without this have none.
   */
  readonly requireDroppable?: (header: CheckpointHeader) => Promise<void>;
  /** File name of an average with this stem: `twa-1` -> `twa-1.safetensors`, or the directory's name. */
  outputName(stem: string, template: CheckpointHeader): string;
}

/** What a file is that has a PyTorch extension and is none of what torch.save writes: the reason and the way out. */
export function describeStranger(head: Uint8Array): string {
  const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
  if (text.slice(257, 262) === 'ustar') {
    return 'is a tar archive, as PyTorch wrote before version 0.1.10; load it with torch.load and save it again.';
  }
  if (text.startsWith('\x89HDF\r\n')) return 'is an HDF5 file; give it the extension .h5.';
  if (text.slice(8, 9) === '{' && head[7] === 0)
    return 'looks like safetensors; give it the extension .safetensors.';
  if (
    text.startsWith('\x1f\x8b') ||
    text.startsWith('BZh') ||
    text.startsWith('\x78') ||
    text.startsWith('\x28\xb5\x2f\xfd')
  ) {
    return 'is compressed; unpack it first.';
  }
  if (text.startsWith('version https://git-lfs'))
    return 'is only a pointer of Git LFS; fetch the file with git lfs pull.';
  if (text.startsWith('\x80')) {
    const whose = /sklearn|joblib/.exec(text)?.[0];
    return whose === undefined
      ? 'is a plain pickle, not written by torch.save; load it in Python and save its tensors with torch.save.'
      : `is a pickle of ${whose === 'joblib' ? 'joblib' : 'scikit-learn'}, which has no weights to average.`;
  }
  return 'is not a file that torch.save wrote.';
}

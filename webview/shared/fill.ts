/** "{0} of {1}" with its places filled. */
export const fill = (template: string, ...values: readonly (string | number)[]): string =>
  template.replace(/\{(\d+)\}/g, (place, index: string) => String(values[Number(index)] ?? place));

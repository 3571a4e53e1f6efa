/** Unix time in ms as the API takes it, with six digits after the second (apimachinery, pkg/apis/meta/v1/micro_time.go). */
export function microTimeOf(unixMs: number): string {
  return new Date(unixMs).toISOString().replace('Z', '000Z');
}

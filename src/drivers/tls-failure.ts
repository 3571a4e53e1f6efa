/** Whether an error code of Node's TLS says that the server's certificate is not trusted, or names somebody else. */
export function isServerCertificateError(code: string): boolean {
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' || /^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_CA|INVALID_PURPOSE)/.test(code);
}

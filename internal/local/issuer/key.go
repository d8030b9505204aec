package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The key is PKCS #8 in PEM, so that openssl reads it too.
const (
	keyFile = "issuer-key.pem"
	keyBits = 2048
	keyType = "PRIVATE KEY"
)

// loadKey reads the key of a folder. When there is none it makes one; of several processes that do, one wins and all
// use its key.
func loadKey(dir string) (*rsa.PrivateKey, error) {
	path := filepath.Join(dir, keyFile)
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of the issuer's key: %w", err)
	}
	if err := makeKey(dir, path); err != nil {
		return nil, fmt.Errorf("make the issuer's key: %w", err)
	}
	return readKey(path)
}

// readKey reads a key that nobody but its owner may read. A file that is not that is left as it is and named: it may be
// somebody's.
func readKey(path string) (*rsa.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("find the issuer's key: %w", err)
	}
	// Refused rather than mended: who could read it may have.
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the issuer's key %s must be readable by its owner only (chmod 600), it has mode %o", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the issuer's key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyType {
		return nil, fmt.Errorf("%s holds no private key; delete it to make a new one", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse the issuer's key %s: %w", path, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds no RSA key; delete it to make a new one", path)
	}
	return key, nil
}

// makeKey writes a new key under the name, unless another process was faster. The key gets its name by a hard link,
// which fails when the name exists and never shows half a file.
func makeKey(dir, path string) (err error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	draft, err := os.CreateTemp(dir, keyFile+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	// The draft's own name goes, whether or not the key has got its other one.
	defer func() { err = errors.Join(err, os.Remove(draft.Name())) }()
	if err := errors.Join(pem.Encode(draft, &pem.Block{Type: keyType, Bytes: der}), draft.Close()); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

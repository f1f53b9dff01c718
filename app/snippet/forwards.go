package snippet

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A Forward is a fixed local port, for a program that needs no proxy then.
type Forward struct {
	Address netip.AddrPort
	Target  string // host:port, whose port may be a name
}

// A database is a kind of server whose clients find it by variables and URLs of their own.
type database struct {
	names []string // of ports
	port  string   // the usual one
	// variables returns the environment variables of its clients.
	variables func(host, port string) [][2]string
	client    func(host, port string) string // the command line of its client
	jdbc      string                         // the scheme of its JDBC URLs; empty if it has none
}

var databases = []database{
	{
		[]string{"postgres", "postgresql", "pg", "pgsql", "psql"}, "5432",
		func(host, port string) [][2]string { return [][2]string{{"PGHOST", host}, {"PGPORT", port}} },
		func(host, port string) string {
			return fmt.Sprintf("psql 'host=%s port=%s user=USER dbname=DATABASE'", host, port)
		},
		"jdbc:postgresql",
	},
	{
		[]string{"redis"}, "6379",
		func(host, port string) [][2]string {
			return [][2]string{{"REDIS_URL", "redis://" + net.JoinHostPort(host, port)}}
		},
		func(host, port string) string { return fmt.Sprintf("redis-cli -h %s -p %s", host, port) },
		"",
	},
	{
		[]string{"mysql", "mariadb"}, "3306",
		func(host, port string) [][2]string {
			if host == "localhost" {
				host = "127.0.0.1" // its clients take localhost for a Unix socket
			}
			return [][2]string{{"MYSQL_HOST", host}, {"MYSQL_TCP_PORT", port}}
		},
		func(host, port string) string {
			return fmt.Sprintf("mysql --protocol=tcp -h %s -P %s -u USER -p", host, port)
		},
		"jdbc:mysql",
	},
}

// find returns the host and port of the first forward to such a server, in the form that its clients take.
func (d database) find(forwards []Forward) (host, port string, ok bool) {
	for _, f := range forwards {
		_, name, err := net.SplitHostPort(f.Target)
		if err == nil && (name == d.port || slices.Contains(d.names, strings.ToLower(name))) {
			return f.host(), strconv.Itoa(int(f.Address.Port())), true
		}
	}
	return "", "", false
}

// host returns the host of a forward. localhost may be 127.0.0.1 or ::1, and programs try both.
func (f Forward) host() string {
	if ip := f.Address.Addr(); ip != netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		return ip.String()
	}
	return "localhost"
}

// databaseVariables are the environment variables of the clients of the databases that have fixed local ports.
func (p Proxy) databaseVariables() [][2]string {
	var all [][2]string
	for _, d := range databases {
		if host, port, ok := d.find(p.Forwards); ok {
			all = append(all, d.variables(host, port)...)
		}
	}
	return all
}

// clients returns the command lines of the clients of the databases that have fixed local ports.
func (p Proxy) clients() string {
	var lines strings.Builder
	for _, d := range databases {
		if host, port, ok := d.find(p.Forwards); ok {
			lines.WriteString(d.client(host, port) + "\n")
		}
	}
	return lines.String()
}

// jdbcURLs returns the URLs of the databases that have fixed local ports.
func (p Proxy) jdbcURLs() string {
	var lines strings.Builder
	for _, d := range databases {
		if host, port, ok := d.find(p.Forwards); ok && d.jdbc != "" {
			fmt.Fprintf(&lines, "%s://%s/DATABASE\n", d.jdbc, net.JoinHostPort(host, port))
		}
	}
	return lines.String()
}

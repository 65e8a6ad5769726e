// The command pulumi-language-python: a small host of Python programs for the CLI that `make cli` builds.
//
// The module of the official host is not served, so this one exists for tests and `make demo`; a host on PATH is used
// instead of it. It does what these need: it runs programs, plugins and policy packs, installs their dependencies, and
// generates SDKs and programs. Type checkers, debuggers and converters are left out, and so is the configuration of the
// stack in policy packs. What it does not implement, the engine reports as "unimplemented".
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/pkg/v3/codegen/hcl2/syntax"
	"github.com/pulumi/pulumi/pkg/v3/codegen/pcl"
	codegen "github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// errorWasShown is the exit status of a program whose error the user has seen.
const errorWasShown = 32

var nameInProject = regexp.MustCompile(`(?m)^\s*name = "([^"]+)"`)

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	engine string          // its address
	ctx    context.Context // ends with the host
	stop   context.CancelFunc
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	serving := &host{engine: os.Args[len(os.Args)-1], ctx: ctx, stop: stop}
	done := make(chan bool)
	go func() {
		<-ctx.Done()
		close(done)
	}()
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: done,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, serving)
			// An engine that was killed sends no signal.
			return rpcutil.Healthcheck(ctx, serving.engine, 5*time.Second, stop)
		},
	})
	if err == nil {
		fmt.Println(handle.Port)
		err = <-handle.Done
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (h *host) Handshake(
	context.Context, *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

// GetRequiredPackages names none: the engine finds a plugin when the program declares the first resource of it.
func (h *host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// Cancel interrupts the program.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.stop()
	return &emptypb.Empty{}, nil
}

// Run executes a program; what it prints goes to the engine, which has given this process its pipes.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	python, err := pythonOf(req.GetInfo(), "")
	if err != nil {
		return nil, err
	}
	if err := python.ValidateVenv(ctx); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	arguments := append([]string{
		self + "-exec",
		"--monitor", req.GetMonitorAddress(),
		"--engine", h.engine,
		"--project", req.GetProject(),
		"--root_directory", req.GetInfo().GetRootDirectory(),
		"--stack", req.GetStack(),
		"--organization", req.GetOrganization(),
		"--pwd", req.GetPwd(),
		"--dry_run", strconv.FormatBool(req.GetDryRun()),
		"--parallel", strconv.Itoa(int(req.GetParallel())),
		req.GetInfo().GetEntryPoint(),
	}, req.GetArgs()...)
	// A program ends with the call, and with the host.
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(h.ctx, end)()
	program, err := python.Command(ctx, arguments...)
	if err != nil {
		return nil, err
	}
	program.Cancel = func() error { return program.Process.Signal(os.Interrupt) }
	program.WaitDelay = 5 * time.Second
	program.Stdout, program.Stderr = os.Stdout, os.Stderr
	for name, value := range map[string]any{
		"PULUMI_CONFIG":             orEmpty(req.GetConfig()),
		"PULUMI_CONFIG_SECRET_KEYS": append([]string{}, req.GetConfigSecretKeys()...),
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		program.Env = append(program.Environ(), name+"="+string(text))
	}
	err = program.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == errorWasShown:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case errors.As(err, &exit) && exit.Exited():
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited with non-zero exit code: %d", exit.ExitCode())}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program could not run to its end: %v", err)}, nil
	}
}

// RunPlugin executes the `__main__.py` of a plugin that was installed as a directory, or of a policy pack.
func (h *host) RunPlugin(req *pulumirpc.RunPluginRequest, stream pulumirpc.LanguageRuntime_RunPluginServer) error {
	directory := req.GetInfo().GetProgramDirectory()
	virtualenv, pwd, arguments := "venv", req.GetPwd(), append([]string{directory}, req.GetArgs()...)
	if req.GetKind() == string(apitype.AnalyzerPlugin) {
		virtualenv, pwd = "", directory
		arguments = append(append([]string{"-u", "-m", "pulumi.policy"}, req.GetArgs()...), directory)
	}
	python, err := pythonOf(req.GetInfo(), virtualenv)
	if err != nil {
		return err
	}
	command, err := python.Command(stream.Context(), arguments...)
	if err != nil {
		return err
	}
	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(stream, false)
	if err != nil {
		return err
	}
	defer closer.Close()
	command.Dir, command.Stdout, command.Stderr = pwd, stdout, stderr
	command.Env = append(command.Environ(), req.GetEnv()...)
	err = command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		output := &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(exit.ExitCode())}
		return stream.Send(&pulumirpc.RunPluginResponse{Output: output})
	}
	return err
}

// InstallDependencies fills the virtual environment of a program or of a plugin.
func (h *host) InstallDependencies(
	req *pulumirpc.InstallDependenciesRequest, stream pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	virtualenv := ""
	if req.GetIsPlugin() {
		virtualenv = "venv"
	}
	python, err := pythonOf(req.GetInfo(), virtualenv)
	if err != nil {
		return err
	}
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(stream, req.GetIsTerminal())
	if err != nil {
		return err
	}
	defer closer.Close()
	directory := req.GetInfo().GetProgramDirectory()
	return python.InstallDependencies(stream.Context(), directory, req.GetUseLanguageVersionTools(), true, stdout, stderr)
}

// RuntimeOptionsPrompts names what `pulumi new` writes into the project file of a program: it then has pip and a virtual
// environment of its own.
func (h *host) RuntimeOptionsPrompts(
	_ context.Context, req *pulumirpc.RuntimeOptionsRequest,
) (*pulumirpc.RuntimeOptionsResponse, error) {
	given, answer := req.GetInfo().GetOptions().AsMap(), &pulumirpc.RuntimeOptionsResponse{}
	for _, option := range [][2]string{{"toolchain", "pip"}, {"virtualenv", "venv"}} {
		if _, isGiven := given[option[0]]; isGiven {
			continue
		}
		value := &pulumirpc.RuntimeOptionPrompt_RuntimeOptionValue{StringValue: option[1], DisplayName: option[1]}
		answer.Prompts = append(answer.Prompts, &pulumirpc.RuntimeOptionPrompt{
			Key: option[0], Description: "The " + option[0], Default: value,
			Choices: []*pulumirpc.RuntimeOptionPrompt_RuntimeOptionValue{value},
		})
	}
	return answer, nil
}

// GetProgramDependencies lists the packages of a program, for `pulumi about` and the record of an update.
func (h *host) GetProgramDependencies(
	ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	python, err := pythonOf(req.GetInfo(), "")
	if err != nil {
		return nil, err
	}
	found, err := python.ListPackages(ctx, req.GetTransitiveDependencies())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, each := range found {
		response.Dependencies = append(
			response.Dependencies, &pulumirpc.DependencyInfo{Name: each.Name, Version: each.Version})
	}
	return response, nil
}

// GeneratePackage writes the SDK for Python of a package.
func (h *host) GeneratePackage(
	_ context.Context, req *pulumirpc.GeneratePackageRequest,
) (*pulumirpc.GeneratePackageResponse, error) {
	loader, err := schema.NewLoaderClient(req.GetLoaderTarget())
	if err != nil {
		return nil, err
	}
	defer loader.Close()
	var specification schema.PackageSpec
	if err := json.Unmarshal([]byte(req.GetSchema()), &specification); err != nil {
		return nil, err
	}
	options := schema.ValidationOptions{AllowDanglingReferences: true}
	bound, problems, err := schema.BindSpec(specification, schema.NewCachedLoader(loader), options)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GeneratePackageResponse{Diagnostics: plugin.HclDiagnosticsToRPCDiagnostics(problems)}
	if problems.HasErrors() {
		return response, nil
	}
	files, err := codegen.GeneratePackage(
		"pulumi-language-python", bound, req.GetExtraFiles(), schema.NewCachedLoader(loader))
	if err != nil {
		return nil, err
	}
	for name, content := range files {
		path := filepath.Join(req.GetDirectory(), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			return nil, err
		}
	}
	return response, nil
}

// GenerateProgram writes the program that declares what `pulumi import` has imported.
func (h *host) GenerateProgram(
	_ context.Context, req *pulumirpc.GenerateProgramRequest,
) (*pulumirpc.GenerateProgramResponse, error) {
	loader, err := schema.NewLoaderClient(req.GetLoaderTarget())
	if err != nil {
		return nil, err
	}
	defer loader.Close()
	parser := syntax.NewParser()
	for path, text := range req.GetSource() {
		if err := parser.ParseFile(strings.NewReader(text), path); err != nil {
			return nil, err
		}
	}
	if parser.Diagnostics.HasErrors() {
		return nil, parser.Diagnostics
	}
	options := []pcl.BindOption{pcl.PreferOutputVersionedInvokes}
	if !req.GetStrict() {
		options = append(options, pcl.NonStrictBindOptions()...)
	}
	program, problems, err := pcl.BindProgram(parser.Files, schema.NewCachedLoader(loader), options...)
	response := &pulumirpc.GenerateProgramResponse{Diagnostics: plugin.HclDiagnosticsToRPCDiagnostics(problems)}
	if err != nil || problems.HasErrors() {
		return response, err
	}
	response.Source, problems, err = codegen.GenerateProgram(program)
	response.Diagnostics = append(response.Diagnostics, plugin.HclDiagnosticsToRPCDiagnostics(problems)...)
	return response, err
}

// Link adds generated SDKs to the requirements of a program, for `pulumi package add`.
func (h *host) Link(ctx context.Context, req *pulumirpc.LinkRequest) (*pulumirpc.LinkResponse, error) {
	python, err := pythonOf(req.GetInfo(), "")
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for _, each := range req.GetPackages() {
		name := nameOfSDK(filepath.Join(req.GetInfo().GetRootDirectory(), each.GetPath()))
		if name == "" {
			name = "pulumi_" + each.GetPackage().GetName()
		}
		paths[name] = each.GetPath()
	}
	return &pulumirpc.LinkResponse{}, python.LinkPackages(ctx, paths)
}

// nameOfSDK returns the name of the Python package in this directory, or "". A line of the requirements that asks for it
// is replaced, so it has to be the right one: `pulumi-instances` brings the plugin, and is not the SDK.
func nameOfSDK(directory string) string {
	project, err := os.ReadFile(filepath.Join(directory, "pyproject.toml"))
	if err != nil {
		return ""
	}
	found := nameInProject.FindSubmatch(project)
	if found == nil {
		return ""
	}
	return strings.ReplaceAll(string(found[1]), "-", "_")
}

// pythonOf returns the Python of a program or a plugin, as `runtime.options` in its project file say: the `virtualenv`
// (otherwise this default), else PULUMI_PYTHON_CMD or the first python3 on PATH.
func pythonOf(info *pulumirpc.ProgramInfo, virtualenv string) (toolchain.Toolchain, error) {
	given := info.GetOptions().AsMap()
	if _, isGiven := given["virtualenv"]; isGiven {
		virtualenv = fmt.Sprint(given["virtualenv"])
	}
	options := toolchain.PythonOptions{
		Root: info.GetRootDirectory(), ProgramDir: info.GetProgramDirectory(), Virtualenv: virtualenv,
	}
	switch name := given["toolchain"]; name {
	case nil:
		options.Toolchain = toolchain.Auto
	case "pip":
		options.Toolchain = toolchain.Pip
	case "uv":
		options.Toolchain = toolchain.Uv
	case "poetry":
		options.Toolchain = toolchain.Poetry
	default:
		return nil, fmt.Errorf("unsupported toolchain option: %v", name)
	}
	return toolchain.ResolveToolchain(options)
}

// orEmpty spares programs a configuration of `null`.
func orEmpty(config map[string]string) map[string]string {
	if config == nil {
		return map[string]string{}
	}
	return config
}
